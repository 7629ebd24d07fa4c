package state

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// bootFile changes with each start of the host, random(4).
const bootFile = "/proc/sys/kernel/random/boot_id"

// thisBoot tells this start of the host from all others.
func thisBoot() (string, error) {
	boot, err := os.ReadFile(bootFile)
	return strings.TrimSpace(string(boot)), err
}

// self names this process.
func self() (process, error) {
	p := process{PID: os.Getpid()}
	var err error
	if p.Space, err = os.Readlink("/proc/self/ns/pid"); err != nil {
		return p, err
	}
	p.Started, _, err = stat(p.PID)
	return p, err
}

// stat is when a process was started, and its state: Z is one that has ended.
func stat(pid int) (started uint64, state string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", err
	}
	// The second field is the program's name, with whatever characters.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const third, twentySecond = 0, 19 // as the manual counts
	if len(fields) <= twentySecond {
		return 0, "", fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	started, err = strconv.ParseUint(fields[twentySecond], 10, 64)
	return started, fields[third], err
}

// syncFS has the file system of a directory write all it holds. An *fs.PathError says
// that the directory could not be opened.
func syncFS(path string) error { return syncBy(path, unix.Syncfs) }
