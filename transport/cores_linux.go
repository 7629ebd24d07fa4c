package transport

import "golang.org/x/sys/unix"

// keepTo has the calling thread keep to cores. kept is false if it may go as before.
func keepTo(cores []int) (restore func() bool, kept bool) {
	var was, now unix.CPUSet
	if len(cores) == 0 || unix.SchedGetaffinity(0, &was) != nil {
		return nil, false
	}
	for _, c := range cores {
		if c >= 0 && was.IsSet(c) {
			now.Set(c)
		}
	}
	if n := now.Count(); n == 0 || n == was.Count() || unix.SchedSetaffinity(0, &now) != nil {
		return nil, false
	}
	return func() bool { return unix.SchedSetaffinity(0, &was) == nil }, true
}
