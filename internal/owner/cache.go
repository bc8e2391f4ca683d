package owner

// generation is how many entries a cache takes in before what was not asked for since the
// last time it had so many is let go.
const generation = 1 << 12

// cache keeps what was asked for lately: at most two generations of it. What is asked for
// all the time stays, however many others come and go, which emptying a full cache would
// not do: a storm of short processes would make every server be read from /proc again. A
// list by last use would keep a little better, and cost each hit three writes.
type cache[K comparable, V any] struct {
	young, old map[K]V
}

func (c *cache[K, V]) get(k K) (V, bool) {
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.put(k, v)
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	if c.young == nil || len(c.young) >= generation {
		c.young, c.old = make(map[K]V), c.young
	}
	c.young[k] = v
}

func (c *cache[K, V]) len() int { return len(c.young) + len(c.old) }
