package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

// asked is what the program answers a shell: the choices, and cobra's word on how to show them.
func asked(t *testing.T, line ...string) (choices map[string]string, directive string) {
	t.Helper()
	code, out, _ := call(append([]string{askedByShell}, line...)...)
	if code != 0 {
		t.Fatalf("%v: exit %d", line, code)
	}
	choices = map[string]string{}
	for l := range strings.Lines(out) {
		l = strings.TrimSuffix(l, "\n")
		if d, ok := strings.CutPrefix(l, ":"); ok {
			return choices, d
		}
		word, what, _ := strings.Cut(l, "\t")
		choices[word] = what
	}
	t.Fatalf("%v: no directive in %q", line, out)
	return nil, ""
}

func TestAShellIsToldEveryFlagAndWhatItDoes(t *testing.T) {
	plain, _ := asked(t, "-")
	serving, _ := asked(t, "-s", "-")
	for _, g := range (&options{}).groups() {
		g.flags.VisitAll(func(f *pflag.Flag) {
			if f.Name == "over-ssh" {
				return // for no person
			}
			_, usage := pflag.UnquoteUsage(f)
			for _, name := range []string{"--" + f.Name, "-" + f.Shorthand} {
				if name == "-" {
					continue
				}
				if plain[name] != usage {
					t.Errorf("%s is told as %q", name, plain[name])
				}
				if _, ok := serving[name]; ok != (g.side != sender) && f.Name != "server" {
					t.Errorf("with -s %s: %v", name, ok)
				}
			}
		})
	}
}

func TestAShellIsToldWhatMayFollow(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"benches", "notes", "\x1b[31m"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const files, noFiles, dirs, noSpace = "0", "4", "16", "6"
	for _, tt := range []struct {
		line      []string
		want      []string // all of these
		not       []string // none of these
		directive string
	}{
		{[]string{""}, []string{"devices", "help", "benches", "notes"}, []string{"\x1b[31m", "--help"}, noSpace},
		{[]string{"b"}, []string{"bench", "benches"}, []string{"notes", "devices"}, noSpace},
		{[]string{"dev"}, []string{"devices"}, []string{"bench"}, noFiles},
		{[]string{"no"}, nil, []string{"notes"}, files},
		{[]string{"notes", ""}, nil, []string{"devices"}, files},
		{[]string{"notes", "server:x"}, nil, nil, noFiles},
		{[]string{"-j", "2", ""}, nil, []string{"devices"}, files},
		{[]string{"devices", ""}, nil, []string{"notes"}, noFiles},
		{[]string{"bench", "--"}, []string{"--seconds"}, nil, noFiles},
		{[]string{"-s", ""}, nil, nil, noFiles},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}, nil, noFiles},
		{[]string{"--transport", ""}, []string{"auto", "tcp", "shm"}, nil, noFiles},
		{[]string{"--transport=t"}, []string{"tcp"}, []string{"shm"}, noFiles},
		{[]string{"--direct", ""}, []string{"auto", "always", "never"}, nil, noFiles},
		{[]string{"-s", "--allow", ""}, grantable(), nil, noSpace},
		{[]string{"-s", "--allow", "owner,x"}, []string{"owner,xattr", "owner,xattr-all"}, []string{"owner,owner"}, noSpace},
		{[]string{"-s", "--bind", "127"}, []string{"127.0.0.1"}, []string{"::1"}, noFiles},
		{[]string{"-d", ""}, []string{"lo"}, nil, noSpace},
		{[]string{"-s", "-o", ""}, nil, nil, dirs},
		{[]string{"--key-file", ""}, nil, nil, files},
		{[]string{"-j", ""}, nil, nil, noFiles},
		{[]string{"__complete", ""}, nil, []string{"devices"}, files},
	} {
		got, directive := asked(t, tt.line...)
		for _, w := range tt.want {
			if _, ok := got[w]; !ok {
				t.Errorf("%q: no %q in %v", tt.line, w, got)
			}
		}
		for _, w := range tt.not {
			if _, ok := got[w]; ok {
				t.Errorf("%q: %q is offered", tt.line, w)
			}
		}
		if directive != tt.directive {
			t.Errorf("%q: directive %s, want %s", tt.line, directive, tt.directive)
		}
	}
}

func TestWhatIsOfferedIsTaken(t *testing.T) {
	o := options{allow: grantable()}
	if _, err := o.grants(); err != nil {
		t.Error(err)
	}
	for _, d := range directNames() {
		if _, ok := directs()[d]; !ok {
			t.Error(d)
		}
	}
	if len(directs()) != len(directNames()) {
		t.Errorf("%v of %v", directNames(), directs())
	}
	for _, c := range commands() {
		if !strings.Contains(help(), "scp_rdma "+c.name) && c.name != "help" {
			t.Errorf("--help does not tell of %s", c.name)
		}
	}
}

// shell is one that a person types into, and what they get back.
type shell struct {
	args  []string // that start it without anybody's own settings
	ready []string // what a person has in their settings; %s is the program
}

func interactive() map[string]shell {
	return map[string]shell{
		"bash": {[]string{"bash", "--norc", "--noprofile", "-i"}, []string{
			"source /usr/share/bash-completion/bash_completion", "source <(%s completion bash)"}},
		"zsh": {[]string{"zsh", "-f", "-i"}, []string{
			"autoload -Uz compinit; compinit -u -D", "source <(%s completion zsh)"}},
		"fish": {[]string{"fish", "--no-config", "-i"}, []string{
			"%s completion fish | source"}},
	}
}

func TestShellsComplete(t *testing.T) {
	for name, s := range interactive() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			typed, screen := s.start(t)
			for i, tt := range []struct{ keys, want string }{
				{"scp_rdma --transp\ttc\trep\tserver:", "<--transport> <tcp> <report 1.pdf> <server:>"},
				{"scp_rdma --direct=nev\trep\tserver:", "<--direct=never> <report 1.pdf> <server:>"},
				{"scp_rdma dev\t", "<devices>"},
				{"scp_rdma -s --allow owner,sp\t", "<-s> <--allow> <owner,special>"},
				{"scp_rdma -s -o inb\tnew", "<-s> <-o> <inbox/new>"},
				{"scp_rdma compl\tfi\t", "<completion> <fish>"},
				{"scp_rdma __comp\tserver:", "<__complete> <server:>"},
			} {
				if _, err := io.WriteString(typed, tt.keys+"\n"); err != nil {
					t.Fatal(err)
				}
				end := fmt.Sprintf("=%d=", i+1)
				eventually(t, screen, end)
				if text := screen(); !strings.Contains(text, "got "+tt.want+" "+end) {
					t.Errorf("%q does not give %q:\n%s", tt.keys, tt.want, text)
				}
			}
		})
	}
}

// start starts it in a directory with some files. What the person has run then is not the program
// but a line "got <ARG> <ARG> ... =NUMBER=".
func (s shell) start(t *testing.T) (typed io.Writer, screen func() string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	program := filepath.Join(t.TempDir(), "scp_rdma")
	stub := fmt.Sprintf("#!/bin/sh\ncase $1 in %s) exec '%s' \"$@\";; esac\necho >> '%[3]s/count'\n"+
		"printf 'got'; printf ' <%%s>' \"$@\"; echo \" =$(wc -l < '%[3]s/count')=\"\n", askedByShell, program, bin)
	err = errors.Join(os.Symlink(self, program), os.WriteFile(filepath.Join(bin, "scp_rdma"), []byte(stub), 0o700),
		os.WriteFile(filepath.Join(dir, "report 1.pdf"), nil, 0o600), os.WriteFile(filepath.Join(dir, "__complete"), nil, 0o600),
		os.Mkdir(filepath.Join(dir, "inbox"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	master, tty, screen := keyboard(t, 200)
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = tty, tty, tty, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "XDG_") }),
		raceEnv, "TERM=dumb", "HOME="+bin, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for _, line := range append(slices.Clone(s.ready), "echo load''ed %s") {
		if _, err := io.WriteString(master, strings.ReplaceAll(line, "%s", program)+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, screen, "loaded "+program)
	return master, screen
}

// Nothing in a script asks for what could be a file.
func TestScriptsAskByTheirOwnWord(t *testing.T) {
	for _, s := range shells() {
		code, script, _ := call("completion", s)
		if code != 0 || strings.Contains(script, "__complete") || strings.Count(script, " "+askedByShell+" ") != 1 {
			t.Errorf("%s: exit %d: %s", s, code, script)
		}
	}
}
