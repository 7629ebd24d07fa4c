package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// stdStream is stdin as a SRC, and stdout as a DST.
const stdStream = "-"

// parseStdin is parseCopy where stdin is sent.
func parseStdin(sources []string, to remote, arg string, ssh bool) (job, error) {
	switch {
	case len(sources) > 1:
		return job{}, usagef("- is stdin, which is sent alone (a file called - is ./-)")
	case strings.Trim(to.path, "/") == "" || strings.HasSuffix(to.path, "/") || strings.HasSuffix(to.path, "/.") || to.path == ".":
		return job{}, usagef("%s: what comes from stdin needs a name, as in: scp_rdma - %s:name", quote(arg), quote(to.host))
	}
	return job{sources: sources, to: to, stream: true}, checkPath(to.path, arg, ssh)
}

// fitsStream finds flags that mean nothing where a stream is one of the ends.
func (o *options) fitsStream(j job) error {
	flags := []string{"delete", "files-from", "exclude", "include", "filter-from", "one-file-system", "follow", "owner", "xattr", "checksum", "chmod", "chown", "acls", "remove-source-files"}
	if len(j.from) > 0 {
		flags = append(flags, "json", "report", "verify", "fsync", "backup", "no-target-directory", "update", "existing", "ignore-existing")
	}
	for _, name := range flags {
		if o.typed[name] {
			return usagef("--%s: it means nothing for -, which is a stream and no file (a file called - is ./-)", name)
		}
	}
	// Files of settings may say them for all transfers.
	o.deletes, o.owner, o.xattr, o.selection, o.backup = false, false, false, selection{}, o.backup && len(j.from) == 0
	return nil
}

// pushStdin sends what comes from stdin, as one file.
func pushStdin(ctx context.Context, e env, con *console, o *options, j job, log hclog.Logger) error {
	if err := o.fitsStream(j); err != nil {
		return err
	}
	in, ok := e.stdin.(*os.File)
	if !ok {
		return fmt.Errorf("stdin: %w", os.ErrInvalid)
	}
	src, err := localfs.OpenStream(in, "stdin", localfs.Meta{Mode: fileMode(), MtimeSec: time.Now().Unix()})
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read from: nothing is lost with it
	con.stream = true
	o.exact = true // a directory of that name is no place to put a stream into, which has no other
	then, err := o.after(e, con, nil)
	if err != nil {
		return err
	}
	defer func() { _ = then.close() }() // of what came to nothing
	report, err := send(ctx, e, con, o, j, src, localfs.Target{Path: j.to.path, Exact: true, Tops: 1}, then, log)
	late := then.end(ctx, err)
	con.end()
	return worse(settle(ctx, con, report, err), late)
}

// fileMode is the mode of a file that this user makes.
func fileMode() uint32 {
	mask := unix.Umask(0)
	unix.Umask(mask)
	return 0o666 &^ uint32(mask)
}

// fetchToStdout has a host send one file, and writes it to stdout.
func fetchToStdout(ctx context.Context, e env, con *console, o *options, j job, log hclog.Logger) error {
	if err := o.fitsStream(j); err != nil {
		return err
	}
	f, ok := e.pipe.(*os.File)
	if !ok {
		return fmt.Errorf("stdout: %w", os.ErrInvalid)
	}
	out, err := localfs.OpenPipe(f, true)
	if err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	defer func() { _ = out.Close() }() // what was written is written
	con.out, con.stream = e.stderr, true
	if isTerminal(f) {
		con.bar = nil // it would stand in the midst of the file
	}
	con.begin("connecting")
	defer con.end()
	defer context.AfterFunc(ctx, con.stopping)()
	con.fetches(o.alias.called(j.far().host))
	report, err := fetchInto(ctx, e, con, o, j, engine.FetchConfig{Out: stdout{out}}, &after{con: con}, log)
	con.end()
	return settle(ctx, con, report, err)
}

// stdout names itself when it can't be written to.
type stdout struct{ *localfs.Pipe }

// Write implements engine.StreamWriter.
func (s stdout) Write(ctx context.Context, p []byte) (int, error) {
	n, err := s.Pipe.Write(ctx, p)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("write to stdout: %w", err)
	}
	return n, err
}

// isTerminal says whether a file is one.
func isTerminal(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	yes := false
	_ = raw.Control(func(fd uintptr) { // fails on a closed file: no terminal
		_, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
		yes = err == nil
	})
	return yes
}
