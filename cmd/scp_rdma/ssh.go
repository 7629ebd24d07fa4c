package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/overssh"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// far is a server that can be dialled, and what leads to it.
type far struct {
	at    control.DialConfig
	reg   *transport.Registry
	path  string          // the destination, as the server shall take it
	dir   string          // below which it is, on the server; "": the user knows
	close func() error    // what leads there; its error is of no transfer that is done
	ended <-chan struct{} // closed when it has ended by itself; nil: it can't
}

// endedWait: at the end of a transfer both ends are done at nearly the same time.
const endedWait = 2 * time.Second

// errEnded: nobody is there any more who could be looked for.
var errEnded = errors.New("ssh has ended, and the other end with it: the same command goes on")

// bound is a context that ends soon after what leads there has.
func (f far) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends with ctx
		select {
		case <-f.ended:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(endedWait):
			cancel(errEnded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// overSSH says whether the other end is started for this run.
func (r remote) overSSH(o *options) bool { return r.user != "" || o.ssh }

// reach is how a client comes to a server, and what it may send over.
func reach(ctx context.Context, e env, con *console, o *options, j job, log hclog.Logger) (far, error) {
	to := j.far()
	if to.overSSH(o) {
		return startThere(ctx, con, o, j, log)
	}
	if flag := o.onlySSH(); flag != "" {
		return far{}, usagef("%s is for what ssh starts: write user@%s: or --ssh", flag, quote(to.host))
	}
	addr := net.JoinHostPort(to.host, strconv.Itoa(int(o.port)))
	key, err := o.clientKey(e)
	if err != nil {
		return far{}, err
	}
	if o.noAuth {
		con.note("--no-auth: nothing shows that " + quote(to.host) + " is the server you mean")
	}
	con.title("connecting to " + quote(addr))
	peer := resolve(ctx, o, to.host)
	log.Debug("resolved", "host", to.host, "address", peer)
	reg, err := clientTransports(o, peer, j.here(), log)
	at := o.dialConfig(addr, log)
	at.Key, at.NoAuth = key, o.noAuth
	return far{at: at, reg: reg, path: to.path, close: func() error { return nil }}, err
}

func (o *options) dialConfig(addr string, log hclog.Logger) control.DialConfig {
	return control.DialConfig{
		Network: o.network(), Addr: addr, Config: control.Config{Timeout: o.timeout, Logger: log.Named("control")},
	}
}

// startThere has ssh start the other end.
func startThere(ctx context.Context, con *console, o *options, j job, log hclog.Logger) (far, error) {
	to := j.far()
	command, err := overssh.Words(o.rsh)
	switch {
	case err != nil:
		return far{}, usagef("-e %s: %v", quote(o.rsh), err)
	case o.typed["no-auth"] || o.typed["key-file"]:
		return far{}, usagef("--no-auth and --key-file are for servers that run already: over ssh each transfer has a key of its own")
	case o.portGiven && o.ports.To == 0:
		o.ports.From, o.ports.To = o.port, o.port
	}
	if !o.noEncrypt {
		o.encrypt = true
	}
	key := keys.New()
	con.end() // ssh may ask for a password
	defer con.begin("connecting to " + quote(to.host))
	s, err := overssh.Start(ctx, overssh.Config{
		Command: append(command, o.family()...), Host: to.login(), Program: o.remotePath, Stderr: sshWords{con}, Logger: log.Named("ssh"),
		Request: overssh.Request{
			Version: wire.Version, Key: key.Text(), Path: []byte(to.path), Exact: o.exact, Ports: o.ports.Ports,
			Timeout: int64(o.timeout), Encrypt: o.encrypt, Verbose: o.verbose, Sends: len(j.from) > 0,
		},
	}, func() {
		con.note("the server's port can't be reached: all goes through ssh, which is slower (--port-range names ports that a firewall lets through)")
	})
	switch {
	case errors.Is(err, overssh.ErrHost):
		return far{}, usagef("%s: that is no user and host for ssh", quote(to.login()))
	case err != nil:
		return far{}, err
	}
	if a := s.Answer; a.Error != "" || a.Version != wire.Version {
		return far{}, errors.Join(answerError(to, a), s.Close())
	}
	f, err := o.afterSSH(ctx, s, j, log)
	f.at.Key = &key
	if err != nil {
		return far{}, errors.Join(err, s.Close())
	}
	return f, nil
}

// onlySSH is a flag that was given and means something over ssh alone; "" for none.
func (o *options) onlySSH() string {
	for _, f := range []struct{ name, told string }{
		{"rsh", "-e"}, {"remote-path", "--remote-path"}, {"port-range", "--port-range"}, {"no-encrypt", "--no-encrypt"},
	} {
		if o.typed[f.name] {
			return f.told
		}
	}
	return ""
}

// What is run here and there to start the other end.
const (
	defaultSSH     = "ssh"
	defaultProgram = "scp_rdma"
)

// answerError is why the other end does not serve.
func answerError(to remote, a overssh.Answer) error {
	if a.Error != "" {
		return fmt.Errorf("%s: %w", to.host, &engine.RemoteError{Code: a.Code, Text: a.Error})
	}
	return fmt.Errorf("scp_rdma on %s speaks version %d, this is version %d: update the older one: %w", quote(to.host), a.Version, wire.Version, control.ErrVersion)
}

// afterSSH is how to come to an end that was started.
func (o *options) afterSSH(ctx context.Context, s *overssh.Session, j job, log hclog.Logger) (far, error) {
	a, to := s.Answer, j.far()
	named := net.JoinHostPort(to.host, strconv.Itoa(int(a.Port)))
	f := far{at: o.dialConfig(named, log), path: string(a.Path), dir: string(a.Dir), close: s.Close, ended: s.Ended()}
	for _, addr := range a.Addrs {
		// The other end says where it is, and nothing else: no names, no ports of others.
		if at, err := netip.ParseAddrPort(addr); err == nil && at.Port() == a.Port && o.hasFamily(at.Addr()) {
			f.at.Addrs = append(f.at.Addrs, addr)
		}
	}
	f.at.Addrs = append(f.at.Addrs, named)
	f.at.Network, f.at.Last = "tcp", s.Forward // which is of IPv4, whatever the family of the others
	log.Debug("started", "directory", f.dir, "path", f.path, "addresses", f.at.Addrs)
	peer := resolve(ctx, o, to.host)
	if !peer.IsValid() && len(a.Addrs) > 0 { // a name that only ssh knows
		peer, _ = netip.ParseAddrPort(a.Addrs[0])
	}
	if !hasRoute(ctx, peer) { // nothing but the pipe leads there
		peer, _ = netip.ParseAddrPort(s.Forward)
	}
	var err error
	f.reg, err = clientTransports(o, peer, j.here(), log)
	return f, err
}

// hasRoute asks the routing table: connecting a UDP socket sends nothing.
func hasRoute(ctx context.Context, to netip.AddrPort) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", to.String())
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// hasFamily says whether an address is of the family that was asked for.
func (o *options) hasFamily(a netip.Addr) bool {
	is4 := a.Unmap().Is4()
	return (!o.ipv4 || is4) && (!o.ipv6 || !is4)
}

// family is -4 or -6, for ssh.
func (o *options) family() []string {
	switch {
	case o.ipv4:
		return []string{"-4"}
	case o.ipv6:
		return []string{"-6"}
	}
	return nil
}

// sshWords hands on what ssh and the other end say to people, below which the progress
// line stays.
type sshWords struct{ con *console }

// Write implements io.Writer.
func (w sshWords) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		w.con.line(quote(strings.TrimRight(line, "\r\n")))
	}
	return len(b), nil
}

// portsValue is --port-range.
type portsValue struct{ overssh.Ports }

// String implements pflag.Value.
func (p *portsValue) String() string {
	switch {
	case p.To == 0:
		return ""
	case p.From == p.To:
		return strconv.Itoa(int(p.From))
	}
	return fmt.Sprintf("%d-%d", p.From, p.To)
}

// Type implements pflag.Value.
func (p *portsValue) Type() string { return "ports" }

// Set implements pflag.Value.
func (p *portsValue) Set(s string) error {
	first, last, found := strings.Cut(s, "-")
	if !found {
		last = first
	}
	from, errFrom := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	if errFrom != nil || errTo != nil || from == 0 || from > to {
		return usagef("--port-range %s: it takes ports like 1777 or 5000-5010", quote(s))
	}
	p.From, p.To = uint16(from), uint16(to)
	return nil
}
