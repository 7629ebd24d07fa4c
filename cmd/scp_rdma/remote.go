package main

import (
	"net/netip"
	"strings"
)

// remote is HOST:PATH.
type remote struct {
	user string // "" for nobody
	host string // without brackets
	path string // as typed
}

// login is user and host for ssh.
func (r remote) login() string {
	if r.user == "" {
		return r.host
	}
	return r.user + "@" + r.host
}

// splitUser takes user@ from a host. ok is false where there is none.
func splitUser(host string) (user, bare string, ok bool) {
	at := strings.LastIndex(host, "@")
	if at < 0 {
		return "", host, false
	}
	return host[:at], host[at+1:], true
}

// parseRemote reads HOST:PATH: the first colon before any slash ends HOST. ok
// is false for a local path; an error comes with ok.
func parseRemote(arg string) (r remote, ok bool, err error) {
	if r, ok := parseBrackets(arg); ok {
		return r, true, r.check(arg)
	}
	host, path, found := strings.Cut(arg, ":")
	if !found || strings.Contains(host, "/") {
		return remote{}, false, nil
	}
	r = remote{path: path}
	var named bool
	if r.user, r.host, named = splitUser(host); named && r.user == "" {
		return r, true, usagef("%s: no user before the '@' (%s)", quote(arg), localHint(arg))
	}
	if strings.HasPrefix(r.host, "[") {
		return r, true, usagef("%s: an IPv6 address is written [ADDR]:PATH (%s)", quote(arg), localHint(arg))
	}
	return r, true, r.check(arg)
}

// parseBrackets reads [HOST]:PATH and user@[HOST]:PATH, where the colon that counts is the one after
// the bracket.
func parseBrackets(arg string) (remote, bool) {
	before, inner, ok := strings.Cut(arg, "[")
	user, named := strings.CutSuffix(before, "@")
	if !ok || before != "" && (!named || user == "" || strings.ContainsAny(user, ":/")) {
		return remote{}, false
	}
	host, path, found := strings.Cut(inner, "]:")
	if !found || strings.Contains(host, "/") {
		return remote{}, false
	}
	return remote{user: user, host: host, path: path}, true
}

// check refuses hosts that can't be one.
func (r remote) check(arg string) error {
	switch {
	case r.host == "":
		return usagef("%s: no host before the colon (%s)", quote(arg), localHint(arg))
	case strings.HasPrefix(r.host, "-"):
		return usagef("%s: a host name does not begin with '-' (%s)", quote(arg), localHint(arg))
	case strings.HasPrefix(r.user, "-"):
		return usagef("%s: a user name does not begin with '-' (%s)", quote(arg), localHint(arg))
	}
	return nil
}

func localHint(arg string) string { return "a local name with a colon is written ./" + quote(arg) }

// fits says whether an address that was typed is of the family that was asked for.
func (r remote) fits(o *options) error {
	a, _ := netip.ParseAddr(r.host) // not valid: a name, which may have both
	is4 := a.Unmap().Is4()
	switch {
	case o.ipv4 && a.IsValid() && !is4:
		return usagef("-4: %s is an IPv6 address", quote(r.host))
	case o.ipv6 && is4:
		return usagef("-6: %s is an IPv4 address", quote(r.host))
	}
	return nil
}

// bareIPv6 finds an IPv6 address without brackets, whose first group was taken
// for the host; "" if there is none.
func bareIPv6(r remote) string {
	if strings.Contains(r.host, ":") {
		return "" // it had brackets
	}
	head, _, _ := strings.Cut(r.path, "/")
	whole := r.host + ":" + head
	for _, s := range []string{whole[:strings.LastIndex(whole, ":")], whole} {
		if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
			return s
		}
	}
	return ""
}

// looksRemote says whether an argument has the form HOST:...
func looksRemote(arg string) bool {
	_, ok, _ := parseRemote(arg)
	return ok
}
