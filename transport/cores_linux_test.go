package transport

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func mine(t *testing.T) (list []int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for c := range 1024 {
		if set.IsSet(c) {
			list = append(list, c)
		}
	}
	return list
}

func TestAThreadKeepsToItsCoresAndGoesFreeAgain(t *testing.T) {
	runtime.LockOSThread() // what is looked at afterwards is the same thread
	defer runtime.UnlockOSThread()
	all := mine(t)
	last := all[len(all)-1:]
	for name, tt := range map[string]struct{ cores, want []int }{
		"one":                    {last, last},
		"one and one that isn't": {append([]int{1 << 20, -1}, last...), last},
		"all":                    {all, all},
		"none":                   {nil, all},
		"only some that aren't":  {[]int{1 << 20}, all},
	} {
		var in, deeper []int
		OnCores(tt.cores, func() {
			in = mine(t)
			OnCores(all, func() { deeper = mine(t) })
		})
		if !slices.Equal(in, tt.want) || !slices.Equal(deeper, tt.want) || !slices.Equal(mine(t), all) {
			t.Errorf("%s: %v, within %v, afterwards %v", name, in, deeper, mine(t))
		}
	}
}

// A goroutine that was kept to some cores starts others, which are not.
func TestOthersAreNotKept(t *testing.T) {
	all := mine(t)
	OnCores(all[:1], func() {
		got := make(chan []int)
		for range 4 {
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				got <- mine(t)
			}()
		}
		for range 4 {
			if l := <-got; !slices.Equal(l, all) {
				t.Errorf("another goroutine keeps to %v of %v", l, all)
			}
		}
	})
}
