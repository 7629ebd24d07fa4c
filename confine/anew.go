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
