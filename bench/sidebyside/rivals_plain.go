package main

import (
	"context"
	"fmt"
	"os"
)

// cp is the mark: no network, no checks.
func cp() rival {
	return rival{
		name: mark, checks: checksNothing, modes: true,
		needs: []need{{"cp", "coreutils"}}, version: []string{"cp", "--version"},
		client: func(p place) command {
			return command{argv: []string{"cp", "-r", p.from(), p.target + "/"}}
		},
	}
}

// scpRDMA is the program of this repository.
func scpRDMA(bin string) []rival {
	env := func(p place) []string {
		return environment("SCP_RDMA_", "XDG_CONFIG_HOME="+p.private, "XDG_STATE_HOME="+p.private+"/state")
	}
	serves := func(p place, dir string) service {
		return service{command: command{argv: []string{bin, "-s", "-o", dir, "-p", p.port, "--bind", "127.0.0.1"}, env: env(p)}}
	}
	shape := func(name, checks string, flags ...string) rival {
		return rival{
			name: name, own: true, checks: checks, modes: true, times: true, version: []string{bin, "version"},
			server: func(_ context.Context, p place) (service, error) { return serves(p, p.target), nil },
			client: func(p place) command {
				argv := append([]string{bin, "-p", p.port}, flags...)
				return command{argv: append(argv, p.from(), "127.0.0.1:"), env: env(p)}
			},
		}
	}
	fetch := shape(pull, checksContents)
	fetch.server = func(_ context.Context, p place) (service, error) { return serves(p, p.source), nil }
	fetch.client = func(p place) command {
		return command{argv: []string{bin, "-p", p.port, "127.0.0.1:" + p.name, p.target + "/"}, env: env(p)}
	}
	return []rival{
		shape(ours, checksContents),
		fetch,
		shape(ours+"-tcp", checksContents, "--transport", "tcp"), // without what both ends share inside a host
		shape(ours+"-no-checksum", checksNothing, "--no-checksum"),
		shape(ours+"-encrypt", checksContents, "--encrypt", "--transport", "tcp"), // as scp goes
	}
}

// rsync talks to a daemon: no ssh between.
func rsync() rival {
	return rival{
		name: "rsync", checks: checksContents, modes: true, times: true,
		needs: []need{{"rsync", "rsync"}}, version: []string{"rsync", "--version"},
		server: func(_ context.Context, p place) (service, error) {
			// Munged symlinks would no longer be what was sent.
			text := "address = 127.0.0.1\nport = " + p.port + "\nuse chroot = no\nreverse lookup = no\nmunge symlinks = no\n"
			if os.Getuid() == 0 { // else it would work for nobody; others may not say whom it works for
				text += "uid = 0\ngid = 0\n"
			}
			text += "[in]\npath = " + p.target + "\nread only = no\n"
			conf := p.private + "/rsyncd.conf"
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				return service{}, fmt.Errorf("rsync: %w", err)
			}
			return service{command: command{argv: []string{"rsync", "--daemon", "--no-detach", "--config=" + conf}}}, nil
		},
		client: func(p place) command {
			return command{argv: []string{"rsync", "-a", p.from(), "rsync://127.0.0.1:" + p.port + "/in/"}}
		},
	}
}

// tarSocat is the pipe of those who have no time.
func tarSocat() rival {
	return rival{
		name: "tar-socat", checks: checksNothing, modes: true, times: true,
		needs: []need{{"tar", "tar"}, {"socat", "socat"}}, version: []string{"tar", "--version"},
		server: func(_ context.Context, p place) (service, error) {
			// -t: each end waits for the other's end of file, so that the client
			// ends when the last file is there.
			return service{command: command{argv: []string{"socat", "-b", "262144", "-t", "600",
				"TCP-LISTEN:" + p.port + ",bind=127.0.0.1,reuseaddr,fork", "EXEC:tar xf - -C " + p.target}}}, nil
		},
		client: func(p place) command {
			return command{argv: []string{"sh", "-c",
				`tar cf - -C "$1" "$2" | socat -b 262144 -t 600 - "TCP:127.0.0.1:$3"`, "sh", p.source, p.name, p.port}}
		},
	}
}
