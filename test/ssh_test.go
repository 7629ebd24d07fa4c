package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// copier is the user that logs in.
func copier() who { return who{"copier", 4242} }

// sshHost is a host with a real sshd(8), and how to log in there.
type sshHost struct {
	host
	home string
	rsh  string // for -e; where a cable leads there
	gate string // for -e; where none does
}

// passwd makes this mount namespace know copier, once.
func passwd(t *testing.T, home string) {
	t.Helper()
	old, err := os.ReadFile("/etc/passwd")
	must(t, err)
	file := filepath.Join(folder(t, root()), "passwd")
	write(t, file, fmt.Appendf(old, "copier:x:4242:4242::%s:/bin/sh\n", home))
	must(t, unix.Mount(file, "/etc/passwd", "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount("/etc/passwd", 0)) })
	must(t, os.MkdirAll("/run/sshd", 0o755))
}

// newSSHHost makes a host where copier can log in at port 22.
func newSSHHost(t *testing.T) sshHost {
	t.Helper()
	dir := folder(t, root())
	s := sshHost{host: newHost(t), home: folder(t, copier())}
	passwd(t, s.home)
	for _, name := range []string{"hostkey", "id"} {
		run(t, root(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).wants(t, 0)
	}
	conf := filepath.Join(dir, "sshd_config")
	write(t, conf, []byte(strings.ReplaceAll("HostKey DIR/hostkey\nAuthorizedKeysFile DIR/id.pub\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n", "DIR", dir)))
	line := s.in("/usr/sbin/sshd", "-D", "-e", "-f", conf)
	sshd := start(t, root(), line[0], line[1:]...)
	eventually(t, "sshd listens", func() bool { return strings.Contains(sshd.err.String(), "Server listening") || sshd.ended() })
	s.rsh = "ssh -i " + dir + "/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
	s.gate = s.rsh + fmt.Sprintf(` -o "ProxyCommand=nsenter --target %d --net -- nc 127.0.0.1 22"`, s.pid)
	return s
}

// overSSH is the command line of a transfer from another host.
func (s sshHost) overSSH(from host, rsh string, args ...string) []string {
	return from.in(append([]string{setting.bin, "-e", rsh, "--remote-path", setting.bin}, args...)...)
}

// nobodyServes fails the test unless every end that was started over ssh ends.
func nobodyServes(t *testing.T) {
	t.Helper()
	eventually(t, "what was started over ssh ends", func() bool {
		return exec.Command("pgrep", "-f", setting.bin+" --over-ssh").Run() != nil
	})
}

func TestOverSSHTheOtherEndIsStartedAsThatUser(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	src := generate(t, root(), tree.Spec{Seed: 7, Files: 100})
	line := there.overSSH(here, there.rsh, src, "copier@10.77.1.2:copies/")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	if !contains(r.out, "over tcp, encrypted, ") || r.err != "" {
		t.Errorf("stdout: %s\nstderr: %s", r.out, r.err)
	}
	same(t, src, filepath.Join(there.home, "copies/src"), tree.Options{})
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(there.home, "copies/src"), &st))
	if st.Uid != copier().uid {
		t.Errorf("it belongs to uid %d", st.Uid)
	}
	nobodyServes(t)

	// The same command has nothing to do, and says so; without encryption it is the same.
	line = there.overSSH(here, there.rsh, "--no-encrypt", src, "copier@10.77.1.2:copies/")
	r = run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	if !contains(r.out, "already there") || contains(r.out, "encrypted") {
		t.Errorf("stdout: %s", r.out)
	}
}

func TestOverSSHPathsMeanWhatTheyMeanToScp(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	file := filepath.Join(folder(t, root()), "f")
	write(t, file, []byte("contents"))
	abroad := folder(t, copier())
	must(t, os.Symlink(abroad, filepath.Join(there.home, "link")))
	must(t, os.Mkdir(filepath.Join(there.home, "made"), 0o755))
	hard := `it's a "hard" $(touch pwned) ` + "`touch pwned`" + `;& name \ *`
	for to, want := range map[string]string{
		"":                  there.home + "/f",
		"name":              there.home + "/name",
		"./new/deep/":       there.home + "/new/deep/f",
		"~/tilde/name":      there.home + "/tilde/name",
		abroad + "/g":       abroad + "/g",
		"link":              abroad + "/f",
		"link/sub/":         abroad + "/sub/f",
		"made/../up":        there.home + "/up",
		hard + "/" + hard:   there.home + "/" + hard + "/" + hard,
		"-oProxyCommand=x/": there.home + "/-oProxyCommand=x/f",
	} {
		line := there.overSSH(here, there.rsh, "-q", file, "copier@10.77.1.2:"+to)
		r := run(t, root(), line[0], line[1:]...)
		r.wants(t, 0)
		if r.err != "" {
			t.Errorf("%s: stderr: %s", to, r.err)
		}
		arrived(t, want, []byte("contents"))
	}
	for _, name := range []string{"pwned", "~"} {
		absent(t, filepath.Join(there.home, name))
	}
	line := there.overSSH(here, there.rsh, "-q", file, "copier@10.77.1.2:/root/x")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 1)
	r.says(t, "permission denied", "/root")
	nobodyServes(t)
}

// All that leads to the host is ssh: packets to the port of data are swallowed.
func TestOverSSHAloneEverythingGoesThroughThePipe(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, newHost(t), "hole", 1) // whose other end takes no packet for its own
	here.ip(t, "neigh", "add", "10.77.1.2", "lladdr", "02:00:00:00:00:01", "dev", "hole", "nud", "permanent")
	there.ip(t, "addr", "add", "10.77.1.2/32", "dev", "lo")
	src := generate(t, root(), tree.Spec{Seed: 8, Files: 50, Large: 1, LargeSize: 32 << 20})
	line := there.overSSH(here, there.gate, src, "copier@10.77.1.2:")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	r.says(t, "all goes through ssh", "--port-range")
	same(t, src, filepath.Join(there.home, "src"), tree.Options{})
	nobodyServes(t)
}

// Strangers at the port don't use it up, and nothing outlives a client that is killed.
func TestOverSSHTheOtherEndIsForItsClientAloneAndEndsWithIt(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	for _, killed := range []bool{false, true} {
		s, g := newStage(t), newGate(t, halfway)
		s.add("large", bytesOf(1, 2*halfway), g.act)
		line := there.overSSH(here, there.rsh, "--port-range", "5001-5009", s.dir+"/large", "copier@10.77.1.2:"+strconv.FormatBool(killed)+"/")
		c := start(t, root(), line[0], line[1:]...)
		g.waitReached(t)
		for range 50 {
			there.do(t, "sh", "-c", "echo nonsense | nc -w 1 -q 0 127.0.0.1 5001 >/dev/null || true")
		}
		if killed {
			c.signal(t, unix.SIGKILL)
			nobodyServes(t)
			g.pass()
			continue
		}
		g.pass()
		if code := c.wait(t); code != 0 {
			t.Errorf("exit code %d: %s", code, c.err.String())
		}
		arrived(t, filepath.Join(there.home, "false/large"), bytesOf(1, 2*halfway))
		nobodyServes(t)
	}
	absent(t, filepath.Join(there.home, "true/large"))

	// What the killed one has left is gone on from, by an end that was started anew.
	large := filepath.Join(folder(t, root()), "large")
	write(t, large, bytesOf(1, 2*halfway))
	then := time.Unix(1e9, 0) // as on the stage
	must(t, os.Chtimes(large, then, then))
	line := there.overSSH(here, there.rsh, large, "copier@10.77.1.2:true/")
	r := run(t, root(), line[0], line[1:]...)
	r.wants(t, 0)
	if !contains(r.out, "already there of half files") {
		t.Errorf("it begins anew: %s", r.out)
	}
	arrived(t, filepath.Join(there.home, "true/large"), bytesOf(1, 2*halfway))
}

// With ssh the other end is gone, and nobody is looked for.
func TestOverSSHThatIsKilledEndsTheTransferAtOnce(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	s, g := newStage(t), newGate(t, halfway)
	s.add("large", bytesOf(1, 2*halfway), g.act)
	line := there.overSSH(here, there.rsh, s.dir+"/large", "copier@10.77.1.2:")
	c := start(t, root(), line[0], line[1:]...)
	g.waitReached(t)
	run(t, root(), "pkill", "-KILL", "-x", "-P", strconv.Itoa(c.cmd.Process.Pid), "ssh").wants(t, 0)
	nobodyServes(t)
	g.pass()
	begin := time.Now()
	r := result{code: c.wait(t), err: c.err.String()}
	r.wants(t, 1)
	r.says(t, "ssh has ended")
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	absent(t, filepath.Join(there.home, "large"))
}

func TestWhatFailsOverSSHIsToldWithItsCure(t *testing.T) {
	here, there := newHost(t), newSSHHost(t)
	cable(t, here, there.host, "rail1", 1)
	file := filepath.Join(folder(t, root()), "f")
	write(t, file, []byte("contents"))
	noise := filepath.Join(there.home, "noisy")
	write(t, noise, []byte("#!/bin/sh\necho welcome\nexec "+setting.bin+" \"$@\"\n"))
	must(t, os.Chmod(noise, 0o755))
	chatter := filepath.Join(there.home, "chatter")
	write(t, chatter, []byte("#!/bin/sh\nexec yes\n"))
	must(t, os.Chmod(chatter, 0o755))
	for name, tt := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"no such host":                       {[]string{"-e", there.rsh, file, "copier@10.77.1.99:"}, 7, []string{"ssh: connect to host 10.77.1.99", "exit code 255"}},
		"not let in":                         {[]string{"-e", there.rsh, file, "root2@10.77.1.2:"}, 7, []string{"Permission denied", "exit code 255"}},
		"no program there":                   {[]string{"-e", there.rsh, "--remote-path", "/no/scp_rdma", file, "copier@10.77.1.2:"}, 7, []string{"/no/scp_rdma", "--remote-path"}},
		"another program":                    {[]string{"-e", there.rsh, "--remote-path", "/bin/cat", file, "copier@10.77.1.2:"}, 7, []string{"before it said where it serves"}},
		"one that talks":                     {[]string{"-e", there.rsh, "--remote-path", chatter, file, "copier@10.77.1.2:"}, 7, []string{"login script"}},
		"no such ssh":                        {[]string{"-e", "/no/ssh", file, "copier@10.77.1.2:"}, 7, []string{"/no/ssh"}},
		"a user that is a flag":              {[]string{"-e", there.rsh, "--", file, "-l@10.77.1.2:"}, 2, []string{"begin with '-'"}},
		"a host of two words":                {[]string{"-e", there.rsh, file, "copier@10.77.1.2 x:"}, 2, []string{"no user and host"}},
		"a login script that talks a little": {[]string{"-e", there.rsh, "--remote-path", noise, file, "copier@10.77.1.2:"}, 0, nil},
	} {
		line := here.in(append([]string{setting.bin}, tt.args...)...)
		r := run(t, root(), line[0], line[1:]...)
		if r.code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s", name, r.code, tt.code, r.err)
		}
		r.says(t, tt.says...)
		if r.took > 30*time.Second {
			t.Errorf("%s: it took %v", name, r.took)
		}
	}
	nobodyServes(t)
}
