package party

import "strconv"

// Field is one of the facts that name a party, by the name that records have for it.
type Field struct {
	Name     string
	Text     string // any bytes; "": unknown
	Number   uint32 // of a field that is one, if it is known
	IsNumber bool
	IsKnown  bool
}

func text(name, s string) Field { return Field{Name: name, Text: s, IsKnown: s != ""} }

// Fields returns what names a party, that which tells it apart first. There are as
// many of an unknown one.
func (l Level) Fields(k Key, label Label) []Field {
	p := label.Place()
	switch l {
	case Exe:
		return []Field{text("exe", k.id)}
	case Unit:
		return []Field{text("unit", k.id), text("user_unit", k.sub)}
	case Container:
		return []Field{text("container", k.id), text("container_name", p.ContainerName), text("runtime", p.Runtime)}
	case Pod:
		return []Field{text("pod", p.Pod), text("pod_namespace", p.PodNamespace), text("pod_uid", p.PodUID)}
	case User:
		return []Field{k.numbered("uid"), text("user", label.name.Value())}
	case NetNS:
		return []Field{k.numbered("netns"), text("netns_name", label.name.Value())}
	}
	return nil
}

func (k Key) numbered(name string) Field {
	f := Field{Name: name, Number: k.number, IsNumber: true, IsKnown: k.known}
	if k.known {
		f.Text = strconv.FormatUint(uint64(k.number), 10)
	}
	return f
}

// Name returns the one text that people know a party by, of any bytes; "" if it is unknown.
func (l Level) Name(k Key, label Label) string {
	p := label.Place()
	switch {
	case !k.known:
		return ""
	case l == Container && p.ContainerName != "":
		return p.ContainerName
	case l == Pod && p.Pod != "" && p.PodNamespace != "":
		return p.PodNamespace + "/" + p.Pod
	case l == Pod && p.Pod != "":
		return p.Pod
	case l == Unit && k.sub != "":
		return k.sub
	case (l == User || l == NetNS) && label.name.Value() != "":
		return label.name.Value()
	case l == User || l == NetNS:
		return k.numbered("").Text
	}
	return k.id
}
