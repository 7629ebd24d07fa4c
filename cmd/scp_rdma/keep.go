package main

import (
	"fmt"
	"strings"

	"scp_rdma/config"
	"scp_rdma/confine"
	"scp_rdma/keys"
)

// What a keeper reads: a kind, and the file. Lists of keys and files of settings have to be
// safe in different ways.
const (
	keptList     = "keys="
	keptSettings = "settings="
)

// keptDirs are the directories in which a keeper reads.
func keptDirs(name string) []string {
	_, file, _ := strings.Cut(name, "=")
	return confine.DirsOf(file)
}

// readKept reads a file for a server that has given up the right to.
func readKept(name string) ([]byte, error) {
	if file, ok := strings.CutPrefix(name, keptList); ok {
		text, err := keys.ReadList(file)
		return []byte(text), err
	}
	if file, ok := strings.CutPrefix(name, keptSettings); ok {
		return config.Load(file)
	}
	return nil, fmt.Errorf("%q is nothing that is kept", name)
}

// kept lists what a server reads again: its list of keys, then its files of settings.
func (o *options) kept() (names []string) {
	if o.authorized != "" {
		names = append(names, keptList+o.authorized)
	}
	for _, c := range o.texts {
		names = append(names, keptSettings+c.Path)
	}
	return names
}

// keepFiles leaves a process behind that can read those files, where this one is about to lose
// the right to.
func (s *estate) keepFiles(e env, con *console, o *options, other bool) {
	confined := e.confine != nil && !o.noLandlock && s.root.Path() != "/"
	if s.SSH != nil || e.anew == nil || len(o.kept()) == 0 || !other && !confined {
		return
	}
	k, err := confine.Keep(o.kept()...)
	if err != nil {
		con.note("SIGHUP will read nothing anew: " + errorLine(err))
		return
	}
	s.keep = k
}

// readAgain reads the file of that number of kept.
func (s *estate) readAgain(o *options, number int) ([]byte, error) {
	if s.keep != nil {
		return s.keep.Read(number)
	}
	return readKept(o.kept()[number])
}
