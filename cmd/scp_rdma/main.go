package main

import (
	"io"
	"os"
)

// version is set by the build (-ldflags -X main.version=...).
var version = "devel"

// env is what a run may touch of the world, so that tests can give it another.
type env struct {
	stdout, stderr io.Writer
}

func main() {
	os.Exit(run(env{stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}
