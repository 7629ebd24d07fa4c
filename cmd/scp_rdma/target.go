package main

import (
	"fmt"
	"slices"
	"strings"

	"scp_rdma/localfs"
)

// remote is HOST:PATH.
type remote struct {
	host string // without brackets
	path string // as typed
}

// parseRemote reads HOST:PATH: the first colon before any slash ends HOST. ok
// is false for a local path.
func parseRemote(arg string) (r remote, ok bool, err error) {
	host, path, found := strings.Cut(arg, ":")
	if strings.HasPrefix(arg, "[") {
		host, path, found = strings.Cut(arg[1:], "]:")
	}
	if !found || strings.Contains(host, "/") {
		return remote{}, false, nil
	}
	switch {
	case host == "":
		return remote{}, true, usagef("%s: no host before the colon (a local name with a colon is written ./%s)", quote(arg), quote(arg))
	case strings.HasPrefix(host, "-"):
		return remote{}, true, usagef("%s: a host name does not begin with '-'", quote(arg))
	case strings.Contains(host, "@"):
		_, bare, _ := strings.Cut(host, "@")
		return remote{}, true, usagef("%s: user names are not offered yet: start scp_rdma -s on %s and write %s:%s",
			quote(arg), quote(bare), quote(bare), quote(path))
	}
	return remote{host: host, path: path}, true, nil
}

// looksRemote says whether an argument has the form HOST:...
func looksRemote(arg string) bool {
	_, ok, _ := parseRemote(arg)
	return ok
}

// job is what a copy was asked to do.
type job struct {
	sources []string
	to      remote
}

// parseCopy splits the arguments of a copy into sources and destination.
func parseCopy(args []string, exact bool) (job, error) {
	if len(args) == 0 {
		return job{}, usagef("nothing to do: name what to send and where to: scp_rdma FILE HOST:  (or -s to receive; --help tells all)")
	}
	last := len(args) - 1
	to, ok, err := parseRemote(args[last])
	if err != nil {
		return job{}, err
	}
	if from := slices.IndexFunc(args[:last], looksRemote); from >= 0 {
		if ok {
			return job{}, usagef("%s to %s: copies from host to host are not offered; run scp_rdma on one of them", quote(args[from]), quote(args[last]))
		}
		return job{}, usagef("%s: fetching from a host is not offered yet; run scp_rdma there", quote(args[from]))
	}
	switch {
	case ok && last == 0:
		return job{}, usagef("%s: where it goes, but not what; as in: scp_rdma FILE %s", quote(args[0]), quote(args[0]))
	case !ok:
		return job{}, usagef("%s: the last argument must be HOST:PATH, as in: scp_rdma %s server:", quote(args[last]), quote(args[0]))
	case exact && last > 1:
		return job{}, usagef("-T gives one source a name; there are %d", last)
	case slices.Contains(strings.Split(to.path, "/"), ".."):
		return job{}, usagef("%s: '..' is not allowed in a destination: everything lies under the server's directory", quote(args[last]))
	}
	return job{sources: args[:last], to: to}, nil
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

// hints are words about a command line that makes sense, but perhaps another
// one than was meant.
func hints(to remote, tops []localfs.Top, follow bool) []string {
	var list []string
	if strings.HasPrefix(to.path, "~") {
		list = append(list, fmt.Sprintf("%s: '~' is taken literally: it names a directory called %s under the server's directory",
			quote(to.path), quote(strings.SplitN(to.path, "/", 2)[0])))
	}
	for _, top := range tops {
		if top.Kind == localfs.KindSymlink && !follow {
			list = append(list, quote(top.Arg)+": sent as a symlink; -L sends what it points to")
		}
	}
	return list
}
