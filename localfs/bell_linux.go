package localfs

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// eventFD rings for somebody who waits in poll(2) (eventfd(2)).
type eventFD struct {
	mu sync.Mutex
	fd int // -1: closed
}

// bell makes one, and what rings it, which may come late.
func bell() (*eventFD, func(), error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("eventfd: %w", err)
	}
	e := &eventFD{fd: fd}
	return e, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.fd >= 0 {
			_, _ = unix.Write(e.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a counter of its own: it can't fail
		}
	}, nil
}

func (e *eventFD) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	closeQuietly(e.fd)
	e.fd = -1
}
