package ibv

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// handle keeps the library's objects alive as long as others stand on them: a
// PD that a QP was made of can't go before the QP. Without that, one Close too
// early would have C read freed memory.
type handle struct {
	name    string // "QP 17 of rxe0"
	parents []*handle
	leaks   *leaks

	mu       sync.RWMutex // held for reading by calls into the library
	children int
	gone     bool
	closed   func() // tells the leak tracer
}

// grow makes an object that stands on parents, all of the same tracer. They
// can't be closed meanwhile.
func grow(name string, create func() unix.Errno, parents ...*handle) (*handle, error) {
	for _, p := range parents {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gone {
			return nil, fmt.Errorf("create %s: %s is closed: %w", name, p.name, os.ErrClosed)
		}
	}
	if errno := create(); errno != 0 {
		return nil, failed("create "+name, errno)
	}
	h := &handle{name: name, parents: parents, leaks: parents[0].leaks}
	h.closed = h.leaks.opened("%s", name)
	for _, p := range parents {
		p.children++
	}
	return h, nil
}

// use calls f unless the object is closed, and keeps it from being closed
// meanwhile. Calls of one object may run side by side, as the library allows it.
func (h *handle) use(op string, f func() unix.Errno) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.gone {
		return fmt.Errorf("%s: %s: %w", op, h.name, os.ErrClosed)
	}
	if errno := f(); errno != 0 {
		return fmt.Errorf("%s: %s: %w", op, h.name, errno)
	}
	return nil
}

// end destroys the object. A second call changes nothing; one that comes too
// early, or that the library refuses, leaves the object as it was.
func (h *handle) end(destroy func() unix.Errno) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.gone:
		return nil
	case h.children > 0:
		return fmt.Errorf("close %s: %d objects stand on it: %w", h.name, h.children, unix.EBUSY)
	}
	if errno := destroy(); errno != 0 {
		return fmt.Errorf("close %s: %w", h.name, errno)
	}
	h.gone = true
	h.closed()
	for _, p := range h.parents {
		p.mu.Lock()
		p.children--
		p.mu.Unlock()
	}
	return nil
}

// failed makes an error of what a device or an object could not be made for,
// with the cure where one is known.
func failed(op string, errno unix.Errno) error {
	if cure := cures(errno); cure != "" {
		return fmt.Errorf("%s: %w: %s", op, errno, cure)
	}
	return fmt.Errorf("%s: %w", op, errno)
}

// cures says what an errno of the verbs most often means (ibv_reg_mr(3),
// ibv_create_qp(3)), and what helps.
func cures(errno unix.Errno) string {
	switch errno {
	case unix.ENOMEM:
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil || limit.Cur == unix.RLIM_INFINITY {
			return "the machine or the device is out of memory or objects: use fewer streams or less memory"
		}
		return fmt.Sprintf("RLIMIT_MEMLOCK is %d bytes, and all slots are locked memory: "+
			"ulimit -l unlimited, LimitMEMLOCK=infinity in the service, or --ulimit memlock=-1 for the container", limit.Cur)
	case unix.EACCES, unix.EPERM:
		return "no permission for the device's node below /dev/infiniband: join its group (often rdma) or let the container have the device"
	case unix.ENODEV, unix.EIO:
		return "the device is gone or in reset: look into the kernel's log"
	default:
		return ""
	}
}
