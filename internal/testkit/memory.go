package testkit

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PeakMemory is the most memory that a process ever had, bytes: VmHWM of
// proc_pid_status(5).
func PeakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), "VmHWM:")
	if !ok {
		return 0, errors.New("no VmHWM: the process has ended")
	}
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10, err
}
