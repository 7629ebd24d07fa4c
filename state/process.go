package state

import (
	"errors"
	"io/fs"
)

// process names a process of one boot: a number may be given to another once it is
// free, but not at the same tick.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // ticks since the boot, proc_pid_stat(5); darwin: microseconds of the clock
	Space   string `json:"space"`   // PID namespace: numbers of another one mean nothing here; darwin has one, ""
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
