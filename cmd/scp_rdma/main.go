package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"scp_rdma/confine"
)

// version is set by the build (-ldflags -X main.version=...).
var version = "devel"

// env is what a run may touch of the world, so that tests can give it another.
// stdin is read only by what a client starts over ssh.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string // os.Getenv
	asked          <-chan os.Signal    // each is the question how far it is
	stdio
	// confine is for good, so that only a process of its own does it; nil: no. Then anew
	// starts the program again, with the files that are left to it.
	confine func(confine.Paths) error
	anew    func(environ []string, files ...*os.File) error
	left    []*os.File
	heir    *estate // made of what is left; nil: this is no second start
	system  string  // the file of every user's settings
}

func main() { os.Exit(program()) }

// program is main without the exit.
func program() int {
	if confine.Keeping(os.Args[1:], keptDirs, readKept) {
		return exitDone
	}
	asked := heedStatus() // it must not end what is about to begin
	left, err := confine.Left()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scp_rdma: "+errorLine(err))
		return exitError
	}
	collect(os.Getenv)
	// A reader that went away is an error of the write, not a silent death.
	signal.Ignore(syscall.SIGPIPE)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	ctx, stop := interruptible(ch, os.Exit)
	defer stop()
	return run(ctx, env{
		stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, asked: asked, stdio: stdio{os.Stdin, os.Stdout},
		confine: confine.To, anew: confine.Anew, left: left, system: systemConfig,
	}, os.Args[1:])
}
