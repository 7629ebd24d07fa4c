package main

import (
	"fmt"
	"slices"
	"strings"

	"scp_rdma/localfs"
)

// job is what a copy was asked to do: to send sources, or to fetch from a host.
type job struct {
	sources []string // on this host
	to      remote   // where they go

	from []remote // on one other host; empty: it sends
	into string   // where that goes

	stream bool // what is sent is stdin, or what is fetched goes to stdout
}

// far is the other host.
func (j job) far() remote {
	if len(j.from) > 0 {
		return j.from[0]
	}
	return j.to
}

// here is where files are on this host: the first that are sent, or what they go into.
func (j job) here() string {
	switch {
	case len(j.from) > 0:
		return j.into
	case len(j.sources) > 0:
		return j.sources[0]
	}
	return "."
}

// paths are what is fetched, as typed after HOST:.
func (j job) paths() []string {
	list := make([]string, len(j.from))
	for i, r := range j.from {
		list[i] = r.path
	}
	return list
}

const (
	maxPath = 4095 // bytes, PATH_MAX of Linux without its NUL
	maxName = 255  // bytes, NAME_MAX
)

// parseCopy splits the arguments of a copy into sources and destination.
func parseCopy(args []string, exact, ssh bool) (job, error) {
	if len(args) == 0 {
		return job{}, usagef("nothing to do; scp_rdma FILE HOST: sends, scp_rdma HOST:FILE . fetches, scp_rdma -s serves, --help tells all")
	}
	last := len(args) - 1
	to, ok, err := parseRemote(args[last])
	if err != nil {
		return job{}, err
	}
	switch {
	case slices.Contains(args, ""):
		return job{}, usagef("an empty argument names no file (the current directory's contents are .)")
	case slices.ContainsFunc(args[:last], looksRemote):
		return parseFetch(args[:last], args[last], ok, exact, ssh)
	case !ok && last == 0:
		return job{}, usagef("%s: where to? as in: scp_rdma %s server:", quote(args[0]), quote(args[0]))
	case !ok:
		return job{}, usagef("%s: the last argument must be HOST:PATH, as in: scp_rdma %s server:", quote(args[last]), quote(args[0]))
	case last == 0:
		return job{}, usagef("%s: where it goes, but not what, as in: scp_rdma FILE %s (to fetch it: scp_rdma %s .)", quote(args[0]), quote(args[0]), quote(args[0]))
	case exact && last > 1:
		return job{}, usagef("-T gives one source its name, there are %d", last)
	case slices.Contains(args[:last], stdStream):
		return parseStdin(args[:last], to, args[last], ssh || to.user != "")
	}
	return job{sources: args[:last], to: to}, checkPath(to.path, args[last], ssh || to.user != "")
}

// parseFetch is parseCopy where a source lies on another host.
func parseFetch(from []string, into string, intoHost, exact, ssh bool) (job, error) {
	j := job{into: into}
	for _, arg := range from {
		r, ok, err := parseRemote(arg)
		switch {
		case err != nil:
			return job{}, err
		case intoHost:
			return job{}, usagef("%s to %s: copies between two hosts are not offered, run scp_rdma on one of them (%s)", quote(from[0]), quote(into), localHint(from[0]))
		case !ok:
			return job{}, usagef("%s lies here, and others on a host: one command fetches from one host, and sends nothing", quote(arg))
		case len(j.from) > 0 && (r.host != j.from[0].host || r.user != j.from[0].user):
			return job{}, usagef("%s and %s: one command fetches from one host", quote(from[0]), quote(arg))
		case slices.Contains(strings.Split(r.path, "/"), "..") && !ssh && r.user == "":
			return job{}, usagef("%s: '..' is not allowed in what is fetched: everything lies under the server's directory", quote(arg))
		case len(r.path) > maxPath:
			return job{}, usagef("a path of %d bytes, it has at most %d", len(r.path), maxPath)
		}
		j.from = append(j.from, r)
	}
	if exact && len(j.from) > 1 {
		return job{}, usagef("-T gives one source its name, there are %d", len(j.from))
	}
	if j.stream = into == stdStream; j.stream && len(j.from) > 1 {
		return job{}, usagef("%s and %s: one file goes to stdout (a directory called - is ./-)", quote(from[0]), quote(from[1]))
	}
	return j, nil
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
	var err error
	t.Tops, t.Contents, err = localfs.Together(tops)
	return t, err
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
