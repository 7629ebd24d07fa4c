package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"scp_rdma/config"
	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/overssh"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Exit codes. README.md has the same table; a test compares them.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitPartial     = 3
	exitNoTransport = 4
	exitVerify      = 5
	exitAuth        = 6
	exitSSH         = 7
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitTerminated  = 128 + int(syscall.SIGTERM)
)

// exitCode is one row of the table: a code, what it means, and which errors it stands for.
type exitCode struct {
	code    int
	meaning string
	is      func(err error) bool
}

// exitCodes is the one table of exit codes, by rank: the last that applies wins.
func exitCodes() []exitCode {
	never := func(error) bool { return false }
	return []exitCode{
		{exitDone, "done", never},   // no error at all
		{exitError, "error", never}, // what no other row claims
		{exitUsage, "usage", either(said(wire.ByeUsage), is(errUsage, localfs.ErrUsage, config.ErrBad, config.ErrUnsafe))},
		{exitPartial, "some files could not be copied (all others were)", is(errPartial)},
		{exitNoTransport, "no usable transport", either(said(wire.ByeNoTransport), is(transport.ErrUnavailable))},
		{exitVerify, "verification failed", either(said(wire.ByeVerify), is(engine.ErrVerify))},
		{exitAuth, "not authorised", either(said(wire.ByeAuth), is(transport.ErrProof, control.ErrAuth, keys.ErrNone, keys.ErrUnsafe, keys.ErrDamaged, keys.ErrList))},
		{exitSSH, "the other end could not be started over ssh", is(overssh.ErrSSH)},
		{exitInterrupted, "interrupted (SIGINT)", is(signalError{syscall.SIGINT})},
		{exitTerminated, "interrupted (SIGTERM)", is(signalError{syscall.SIGTERM})},
	}
}

// is matches errors that are one of targets.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

// said matches what the other side gave as its reason.
func said(code uint16) func(error) bool {
	return func(err error) bool {
		var remote *engine.RemoteError
		return errors.As(err, &remote) && remote.Code == code
	}
}

func either(a, b func(error) bool) func(error) bool {
	return func(err error) bool { return a(err) || b(err) }
}

// exitFor is the code for an error; 0 for none.
func exitFor(err error) int {
	if err == nil {
		return exitDone
	}
	code := exitError
	for _, c := range exitCodes() {
		if c.is(err) {
			code = c.code
		}
	}
	return code
}

// exitTable is the table as --help shows it.
func exitTable() string {
	var b strings.Builder
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, "  %3d  %s\n", c.code, c.meaning)
	}
	return b.String()
}

// errUsage: the command line makes no sense.
var errUsage = errors.New("usage")

// errPartial: the transfer is done, but not every file could be copied. It has
// been told file by file.
var errPartial = errors.New("some files could not be copied")

// usageError is a mistake in the command line, told as it is.
type usageError struct{ text string }

// Error implements error.
func (e usageError) Error() string { return e.text }

// Is makes it an errUsage.
func (e usageError) Is(target error) bool { return target == errUsage }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }
