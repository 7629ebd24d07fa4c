package main

import (
	"fmt"
	"slices"
	"strings"

	"scp_rdma/localfs"
)

// job is what a copy was asked to do.
type job struct {
	sources []string
	to      remote
}

const (
	maxPath = 4095 // bytes, PATH_MAX of Linux without its NUL
	maxName = 255  // bytes, NAME_MAX
)

// parseCopy splits the arguments of a copy into sources and destination.
func parseCopy(args []string, exact, ssh bool) (job, error) {
	if len(args) == 0 {
		return job{}, usagef("nothing to do; scp_rdma FILE HOST: sends, scp_rdma -s receives, --help tells all")
	}
	last := len(args) - 1
	to, ok, err := parseRemote(args[last])
	if err != nil {
		return job{}, err
	}
	if from := slices.IndexFunc(args[:last], looksRemote); from >= 0 {
		return job{}, refuseFrom(args[from], args[last], ok)
	}
	switch {
	case slices.Contains(args, ""):
		return job{}, usagef("an empty argument names no file (the current directory's contents are .)")
	case !ok && last == 0:
		return job{}, usagef("%s: where to? as in: scp_rdma %s server:", quote(args[0]), quote(args[0]))
	case !ok:
		return job{}, usagef("%s: the last argument must be HOST:PATH, as in: scp_rdma %s server:", quote(args[last]), quote(args[0]))
	case last == 0:
		return job{}, usagef("%s: where it goes, but not what; as in: scp_rdma FILE %s", quote(args[0]), quote(args[0]))
	case exact && last > 1:
		return job{}, usagef("-T gives one source its name, there are %d", last)
	}
	return job{sources: args[:last], to: to}, checkPath(to.path, args[last], ssh || to.user != "")
}

// refuseFrom refuses a source that lies on another host.
func refuseFrom(from, to string, toHost bool) error {
	if _, _, err := parseRemote(from); err != nil {
		return err
	}
	if toHost {
		return usagef("%s to %s: copies between two hosts are not offered, run scp_rdma on one of them (%s)", quote(from), quote(to), localHint(from))
	}
	return usagef("%s: fetching from a host is not offered yet, run scp_rdma there (%s)", quote(from), localHint(from))
}

// checkPath refuses destinations that no server can take.
func checkPath(path, arg string, ssh bool) error {
	names := strings.Split(path, "/")
	switch {
	case slices.Contains(names, "..") && !ssh:
		return usagef("%s: '..' is not allowed in a destination: everything lies under the server's directory", quote(arg))
	case len(path) > maxPath:
		return usagef("the destination has %d bytes, a path has at most %d", len(path), maxPath)
	case slices.ContainsFunc(names, func(n string) bool { return len(n) > maxName }):
		return usagef("a name in the destination has more than %d bytes", maxName)
	}
	return nil
}

// targetOf says to the server where the sources go. Two with the same base name
// would end as one.
func targetOf(to remote, exact bool, tops []localfs.Top) (localfs.Target, error) {
	t := localfs.Target{Path: to.path, Exact: exact}
	seen := map[string]string{}
	for _, top := range tops {
		if top.Contents {
			t.Contents = true
			continue
		}
		t.Tops++
		if other, ok := seen[top.Name]; ok {
			return t, usagef("%s and %s would both become %s", quote(other), quote(top.Arg), quote(top.Name))
		}
		seen[top.Name] = top.Arg
	}
	return t, nil
}

// destinationHints are words on a destination that makes sense, but perhaps
// another one than was meant.
func destinationHints(to remote, ssh bool) []string {
	var list []string
	first, _, _ := strings.Cut(to.path, "/")
	if strings.HasPrefix(first, "~") && (!ssh || first != "~") {
		list = append(list, fmt.Sprintf("%s: '~' is taken literally, as a name", quote(to.path)))
	}
	if a := bareIPv6(to); a != "" {
		list = append(list, fmt.Sprintf("the host is %s; an IPv6 address is written [%s]:", quote(to.host), quote(a)))
	}
	return list
}

// sourceHints are the same for sources.
func sourceHints(tops []localfs.Top) []string {
	var list []string
	for _, top := range tops {
		if top.Kind == localfs.KindSymlink { // with -L there are none
			list = append(list, quote(top.Arg)+": sent as a symlink; -L sends what it points to")
		}
	}
	return list
}
