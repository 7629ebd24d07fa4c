package tree

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const hidden = ".scp_rdma."

// half makes a tree, and one in which much is missing still.
func half(t *testing.T) (a, b string) {
	t.Helper()
	spec := Spec{Seed: 4, Files: 150}
	a, _ = generate(t, spec)
	b, _ = generate(t, spec)
	for _, gone := range []string{"plain/0000/01", "plain/0000/00/file00000007.dat", "hardlinks/one-again", "symlinks/to-file"} {
		if err := os.RemoveAll(filepath.Join(b, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(b, "modes/dir-0555"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := touch(filepath.Join(b, "plain/.scp_rdma.0123.part")); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestATreeThatIsStillGrowingMayLackNames(t *testing.T) {
	a, b := half(t)
	g := &Growing{Hidden: hidden}
	same(t, a, b, Options{Growing: g})
	if g.Read == 0 {
		t.Error("no file was read")
	}
	if diffs, err := Compare(a, b, Options{}); err != nil || len(diffs) < 5 {
		t.Errorf("the trees are not whole, and it finds %v, %v", diffs, err)
	}
}

func TestOfATreeThatIsGrowingOnlyWhatWasTouchedIsReadAgain(t *testing.T) {
	a, b := half(t)
	g := &Growing{Hidden: hidden}
	for range 2 {
		same(t, a, b, Options{Growing: g})
	}
	if g.Read != 0 {
		t.Errorf("%d files were read again", g.Read)
	}
	if err := flip(0)(filepath.Join(b, "sizes/size65536")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is wrong is not remembered as right
		diffs, err := Compare(a, b, Options{Growing: g})
		if err != nil || len(diffs) != 1 || diffs[0].Aspect != Content || g.Read != 1 {
			t.Errorf("a byte has changed: %v, %v, %d files read", diffs, err, g.Read)
		}
	}
}

// TestWhatHasItsNameMustBeRight makes all changes in one copy. What is missing, and what
// directories get when all in them is done, is no difference yet.
func TestWhatHasItsNameMustBeRight(t *testing.T) {
	spec := Spec{Seed: 3, Files: 150}
	a, _ := generate(t, spec)
	b, _ := generate(t, spec)
	for _, c := range changes() {
		if err := c.do(b); err != nil {
			t.Fatal(err)
		}
	}
	diffs, err := Compare(a, b, Options{Max: 1000, Growing: &Growing{Hidden: hidden}})
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{".", "modes/dir-0555", "sparse"}
	for _, c := range changes() {
		want := c.want != Missing && !slices.Contains(dirs, c.path)
		found := slices.ContainsFunc(diffs, func(d Diff) bool { return d.Path == c.path && d.Aspect == c.want })
		if found != want {
			t.Errorf("%s: found %v, want %v", c.name, found, want)
		}
	}
}
