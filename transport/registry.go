package transport

import (
	"fmt"
	"slices"
)

// Registry holds the transports of one run, in order of preference. It is a
// value put together in one place (cmd) and passed down.
type Registry struct {
	list []Transport
}

// NewRegistry makes a registry. Equal names are a programming error and panic.
func NewRegistry(list ...Transport) *Registry {
	r := &Registry{}
	for _, t := range list {
		if r.Lookup(t.Name()) != nil {
			panic("transport: two transports named " + t.Name())
		}
		r.list = append(r.list, t)
	}
	return r
}

// Lookup finds a transport by name; nil if there is none.
func (r *Registry) Lookup(name string) Transport {
	for _, t := range r.list {
		if t.Name() == name {
			return t
		}
	}
	return nil
}

// Len is how many there are.
func (r *Registry) Len() int { return len(r.list) }

// All lists the transports, most preferred first.
func (r *Registry) All() []Transport { return slices.Clone(r.list) }

// Names lists the transports' names, most preferred first.
func (r *Registry) Names() []string {
	names := make([]string, len(r.list))
	for i, t := range r.list {
		names[i] = t.Name()
	}
	return names
}

// Select narrows the registry to what --transport asked for: "auto" keeps all.
// An unknown name Is ErrUnavailable and lists those that exist.
func (r *Registry) Select(name string) (*Registry, error) {
	if name == "" || name == "auto" {
		return r, nil
	}
	if t := r.Lookup(name); t != nil {
		return NewRegistry(t), nil
	}
	return nil, fmt.Errorf("transport %q is not in this build (it has: %v): %w", name, r.Names(), ErrUnavailable)
}
