package probe

import (
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// loading is what takes long to decode, takes several megabytes, and is the same for
// everything that is loaded: a probe, its watches, each hook that a doctor tries.
var loading struct {
	sync.Mutex
	object *ebpf.CollectionSpec // the compiled hooks
	types  *btf.Cache           // the kernel's types
}

// Loaded lets go of what only loading needs: nothing more is going to be loaded soon. It is
// safe for concurrent use.
func Loaded() {
	loading.Lock()
	defer loading.Unlock()
	loading.object, loading.types = nil, nil
}

// compiled returns a copy of the compiled hooks.
func compiled() (*ebpf.CollectionSpec, error) {
	loading.Lock()
	defer loading.Unlock()
	if loading.object == nil {
		object, err := loadBpf()
		if err != nil {
			return nil, err
		}
		loading.object = object
	}
	return loading.object.Copy(), nil
}

// kernelTypes returns the types of the running kernel, which are not to be changed.
func kernelTypes() *btf.Cache {
	loading.Lock()
	defer loading.Unlock()
	if loading.types == nil {
		loading.types = btf.NewCache()
	}
	return loading.types
}

func newCollection(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: kernelTypes()})
}
