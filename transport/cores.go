package transport

import "runtime"

// OnCores calls f on a thread that keeps to some cores, of those that the process may use
// (sched_setaffinity(2)): what f touches first lies in the memory of their NUMA node, and so
// do the buffers that a driver makes meanwhile. If there is nothing to choose, or the kernel
// does not let it, f runs wherever it runs.
func OnCores(cores []int, f func()) {
	runtime.LockOSThread()
	restore, kept := keepTo(cores)
	if !kept {
		runtime.UnlockOSThread()
		f()
		return
	}
	defer func() {
		// A thread that can't be freed of them stays locked, and ends with its goroutine.
		if restore() {
			runtime.UnlockOSThread()
		}
	}()
	f()
}
