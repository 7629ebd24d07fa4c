package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// The names that have a meaning here: the mark, and what is judged.
const (
	mark = "cp"
	ours = "scp_rdma"
	// pull is ours the other way round: the server has the source.
	pull = ours + "-fetch"
)

// What a rival finds out about the data by itself.
const (
	checksContents = "yes"
	checksSizes    = "sizes"
	checksNothing  = "no"
)

// rival is one way to copy a file or a tree.
type rival struct {
	name    string
	own     bool     // scp_rdma in one of its shapes
	checks  string   // what it compares of the data on its own
	modes   bool     // it keeps permission bits
	times   bool     // it keeps modification times
	single  bool     // it can do no more than one file
	needs   []need   // commands it is made of
	version []string // the command whose first line tells its version

	server  func(ctx context.Context, p place) (service, error) // nil: it has none
	prepare func(target string) error                           // nil: any target will do
	client  func(p place) command
}

// need is a command, and the Debian package that has it.
type need struct{ command, pkg string }

// place is where a rival works: it copies source/name to target/name.
type place struct {
	source, target, name string

	single  bool   // name is a file
	private string // a directory of the rival's own, for keys and configurations
	port    string // where its server listens, on loopback
}

// from is what is copied.
func (p place) from() string { return p.source + "/" + p.name }

// to is what it becomes.
func (p place) to() string { return p.target + "/" + p.name }

// command is a command line with its environment, nil for that of this process.
type command struct {
	argv []string
	env  []string
}

// service is a server that can be started, and how to take back what was
// prepared for it, nil if nothing has to be.
type service struct {
	command
	undo func() error
}

// rivals lists all, bin being the scp_rdma to measure.
func rivals(bin string) []rival {
	all := []rival{cp()}
	all = append(all, scpRDMA(bin)...)
	all = append(all, rsync())
	all = append(all, scp()...)
	all = append(all, tarSocat(), tarSSH())
	all = append(all, gridFTP()...)
	return append(all, rclone(), curl())
}

// missing lists the packages whose commands are not there.
func (r rival) missing() []string {
	var pkgs []string
	for _, n := range r.needs {
		if _, err := lookUp(n.command); err != nil {
			pkgs = append(pkgs, n.pkg)
		}
	}
	return pkgs
}

// lookUp finds a command; servers often lie where users don't look.
func lookUp(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if p, err := exec.LookPath(dir + "/" + name); err == nil {
			return p, nil
		}
	}
	return "", err
}

// path is lookUp for a command that is known to be there.
func path(name string) string {
	if p, err := lookUp(name); err == nil {
		return p
	}
	return name
}

// environment is that of this process, with these on top and without all that
// begins with a prefix: a user's own settings measure nothing of interest.
func environment(without string, with ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, without) {
			env = append(env, e)
		}
	}
	return append(env, with...)
}
