package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// process names a process of one boot: a number may be given to another once it is
// free, but not at the same tick.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // ticks since the boot, proc_pid_stat(5)
	Space   string `json:"space"`   // PID namespace: numbers of another one mean nothing here
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

// gone says whether a process is known to have ended. One of another PID namespace
// is not: its notes stay until the next boot, where they cost time and nothing else.
func (p process) gone(here process) bool {
	if p.Space != here.Space {
		return false
	}
	started, state, err := stat(p.PID)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return started != p.Started || state == "Z" || state == "X"
}
