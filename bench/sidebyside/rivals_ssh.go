package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// privsep is the empty directory without which sshd does not start as root.
const privsep = "/run/sshd"

// scp goes to an sshd of its own, with the cipher that both ends prefer and
// with the one that today's CPUs are fastest at.
func scp() []rival {
	shape := func(name string, flags ...string) rival {
		return rival{
			name: name, checks: checksContents, modes: true, times: true,
			needs:   []need{{"scp", "openssh-client"}, {"ssh-keygen", "openssh-client"}, {"sshd", "openssh-server"}},
			version: []string{"ssh", "-V"},
			server:  sshd,
			client: func(p place) command {
				argv := []string{"scp", "-q", "-r", "-p", "-F", "none", "-P", p.port, "-i", p.private + "/user",
					"-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
					"-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null"}
				argv = append(argv, flags...)
				return command{argv: append(argv, p.from(), "127.0.0.1:"+p.target+"/")}
			},
		}
	}
	return []rival{shape("scp"), shape("scp-aes128gcm", "-c", aes128)}
}

// aes128 is the cipher of ssh that today's CPUs are fastest at.
const aes128 = "aes128-gcm@openssh.com"

// tarSSH is the pipe of those who have ssh.
func tarSSH() rival {
	return rival{
		name: "tar-ssh-aes128gcm", checks: checksContents, modes: true, times: true,
		needs:   []need{{"tar", "tar"}, {"ssh", "openssh-client"}, {"ssh-keygen", "openssh-client"}, {"sshd", "openssh-server"}},
		version: []string{"tar", "--version"},
		server:  sshd,
		client: func(p place) command {
			return command{argv: []string{"sh", "-c",
				`tar cf - -C "$1" "$2" | ssh -T -F none -c ` + aes128 + ` -p "$3" -i "$4/user" -o IdentitiesOnly=yes -o BatchMode=yes ` +
					`-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null 127.0.0.1 "tar xf - -C '$5'"`,
				"sh", p.source, p.name, p.port, p.private, p.target}}
		},
	}
}

// sshd is a server for this user alone.
func sshd(ctx context.Context, p place) (service, error) {
	for _, key := range []string{"host", "user"} {
		if _, err := output(ctx, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.private+"/"+key); err != nil {
			return service{}, err
		}
	}
	text := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\n"+
		"StrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"+
		"Subsystem sftp internal-sftp\n", p.port, p.private, p.private)
	conf := p.private + "/sshd_config"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return service{}, fmt.Errorf("sshd: %w", err)
	}
	s := service{command: command{argv: []string{path("sshd"), "-D", "-e", "-f", conf}}}
	if os.Getuid() != 0 {
		return s, nil
	}
	switch err := os.Mkdir(privsep, 0o755); {
	case err == nil:
		s.undo = func() error { return os.Remove(privsep) }
	case !errors.Is(err, fs.ErrExist):
		return service{}, fmt.Errorf("sshd: %w", err)
	}
	return s, nil
}
