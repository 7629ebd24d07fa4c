package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// nobody is whom a GridFTP server that root has started works for: it refuses
// to work for root.
const nobody = "nobody"

// gridFTP is the Globus server and client, with one stream and with four.
func gridFTP() []rival {
	shape := func(name string, flags ...string) rival {
		return rival{
			name: name, checks: checksNothing,
			needs: []need{
				{"globus-gridftp-server", "globus-gridftp-server-progs"},
				{"globus-url-copy", "globus-gass-copy-progs"},
			},
			version: []string{path("globus-gridftp-server"), "-version"},
			prepare: giveToNobody,
			server: func(_ context.Context, p place) (service, error) {
				argv := []string{path("globus-gridftp-server"), "-aa", "-c", "/dev/null", "-p", p.port,
					"-control-interface", "127.0.0.1", "-data-interface", "127.0.0.1"}
				if os.Getuid() == 0 {
					argv = append(argv, "-anonymous-user", nobody)
				}
				return service{command: command{argv: argv, env: environment("GLOBUS_")}}, nil
			},
			client: func(p place) command {
				argv := append([]string{"globus-url-copy"}, flags...)
				from, to := "file://"+p.from(), "ftp://anonymous:x@127.0.0.1:"+p.port+p.to()
				if !p.single {
					argv, from, to = append(argv, "-r", "-cd"), from+"/", to+"/"
				}
				return command{argv: append(argv, from, to), env: environment("GLOBUS_")}
			},
		}
	}
	return []rival{shape("gridftp"), shape("gridftp-p4", "-p", "4")}
}

// giveToNobody lets the server of root write into the target.
func giveToNobody(target string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(nobody)
	if err != nil {
		return fmt.Errorf("gridftp: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("gridftp: %w", err)
	}
	if err := os.Chown(target, uid, -1); err != nil {
		return fmt.Errorf("gridftp: %w", err)
	}
	return nil
}

// serveHTTP is rclone's server of the source.
func serveHTTP(_ context.Context, p place) (service, error) {
	return service{command: command{
		argv: []string{"rclone", "serve", "http", "--addr", "127.0.0.1:" + p.port, "--read-only", p.source},
		env:  rcloneEnv(p),
	}}, nil
}

// rcloneEnv has no remotes of the user's.
func rcloneEnv(p place) []string {
	return environment("RCLONE_", "RCLONE_CONFIG="+p.private+"/rclone.conf")
}

// rclone fetches over HTTP, which has no sums of files: sizes are all it can compare.
func rclone() rival {
	return rival{
		name: "rclone", checks: checksSizes,
		needs: []need{{"rclone", "rclone"}}, version: []string{"rclone", "version"},
		server: serveHTTP,
		client: func(p place) command {
			how, to := []string{"--transfers", "8"}, p.to()
			if p.single {
				how, to = []string{"--multi-thread-streams", "8"}, p.target
			}
			argv := append([]string{"rclone", "copy", "-q", "--http-url", "http://127.0.0.1:" + p.port + "/"}, how...)
			return command{argv: append(argv, ":http:"+p.name, to), env: rcloneEnv(p)}
		},
	}
}

// curl fetches one file over HTTP.
func curl() rival {
	return rival{
		name: "curl", checks: checksNothing, single: true,
		needs: []need{{"curl", "curl"}, {"rclone", "rclone"}}, version: []string{"curl", "--version"},
		server: serveHTTP,
		client: func(p place) command {
			return command{argv: []string{"curl", "-q", "-sSf", "--noproxy", "*", "-o", p.to(),
				"http://127.0.0.1:" + p.port + "/" + p.name}}
		},
	}
}
