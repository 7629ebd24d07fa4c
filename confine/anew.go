package confine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// envLeft tells a program that was started anew which descriptors are its own:
// PID:FD,FD,...
const envLeft = "SCP_RDMA_LEFT"

// self is this very program, whatever has become of its name since it was started.
const self = "/proc/self/exe"

// Anew starts the program again in this process, from its beginning and with the same
// arguments. Files stay open for it, for Left to give. It returns only if that fails.
//
// What landlock(7) and setresuid(2) do, they do to a thread: each of those that were there
// has credentials of its own afterwards, however alike. Linux takes what is written to a
// device of RDMA only with the credentials that opened it, the very same ones
// (ib_safe_file_access, drivers/infiniband/core), so that a queue pair would serve one
// thread and fail the next. All threads of a program that begins anew share one set.
func Anew(environ []string, files ...*os.File) error {
	var left []string
	for _, f := range files {
		fd := f.Fd()
		if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("start anew: leave %s: %w", f.Name(), err)
		}
		left = append(left, strconv.FormatUint(uint64(fd), 10))
	}
	environ = append(environ, fmt.Sprintf("%s=%d:%s", envLeft, os.Getpid(), strings.Join(left, ",")))
	exe := ourselves()
	err := unix.Exec(exe, os.Args, environ)
	runtime.KeepAlive(files)
	return fmt.Errorf("start %s anew: %w", exe, err)
}

// ourselves is a path of this very program: the one that gives the process its name, where
// that still leads to it, and who runs it may go there.
func ourselves() string {
	exe, err := os.Readlink(self)
	if err != nil || unix.Access(exe, unix.X_OK) != nil {
		return self
	}
	byName, err1 := os.Stat(exe)
	byLink, err2 := os.Stat(self)
	if err1 != nil || err2 != nil || !os.SameFile(byName, byLink) {
		return self
	}
	return exe
}

// Left gives the files that Anew has left to this process, none where it was not started so.
func Left() ([]*os.File, error) {
	value, ok := os.LookupEnv(envLeft)
	if !ok {
		return nil, nil
	}
	pid, list, _ := strings.Cut(value, ":")
	if err := os.Unsetenv(envLeft); err != nil || pid != strconv.Itoa(os.Getpid()) {
		return nil, err // another's: a parent of ours was started so
	}
	var files []*os.File
	for word := range strings.SplitSeq(list, ",") {
		fd, err := strconv.ParseUint(word, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("started anew: %s: %w", envLeft, err)
		}
		unix.CloseOnExec(int(fd))
		files = append(files, os.NewFile(uintptr(fd), "left "+word))
	}
	return files, nil
}
