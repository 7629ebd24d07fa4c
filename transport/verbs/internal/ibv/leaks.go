package ibv

import (
	"fmt"
	"slices"
	"sync"
)

// leaks counts what is open, by kind and name. One belongs to each Provider.
type leaks struct {
	mu   sync.Mutex
	open map[string]int
}

// opened notes a handle and gives what notes its end, which may be called once.
func (l *leaks) opened(format string, args ...any) (closed func()) {
	name := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[string]int{}
	}
	l.open[name]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open[name]--; l.open[name] == 0 {
			delete(l.open, name)
		}
	}
}

// list is what is open now, sorted, as "QP of rxe0 (2)".
func (l *leaks) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for name, n := range l.open {
		all = append(all, fmt.Sprintf("%s (%d)", name, n))
	}
	slices.Sort(all)
	return all
}
