package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 wherever
// this program runs.
const tick = 10 * time.Millisecond

// parseStat gives the CPU time in a line of /proc/PID/stat: of the process, and
// of those of its children that it has waited for. The name, in parentheses,
// may have blanks and parentheses itself: the last one ends it.
func parseStat(line string) (time.Duration, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 15 {
		return 0, fmt.Errorf("stat: not a line of /proc/PID/stat: %.100q", line)
	}
	var ticks int64
	for _, f := range fields[11:15] { // utime stime cutime cstime: fields 14 to 17
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// parsePeak gives the line VmHWM of /proc/PID/status in bytes, 0 where there is
// none: a zombie has no memory.
func parsePeak(status string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(field(status, "VmHWM:"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// field is what follows a word at the begin of a line, without blanks around it.
func field(text, word string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// peak is the largest memory that a process ever had, 0 if it is gone.
func peak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return parsePeak(string(text))
}

// peaks is the largest of several.
func peaks(pids []int) int64 {
	most := int64(0)
	for _, pid := range pids {
		most = max(most, peak(pid))
	}
	return most
}

// forgetPeak makes what a process has now its peak. Where that can't be done
// the peak is that since its start.
func forgetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// family lists a process and its descendants, as far as they are there.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", all[i]))
		if err != nil {
			continue // gone
		}
		for _, t := range tasks {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[i], t.Name()))
			if err != nil {
				continue
			}
			all = append(all, numbers(string(text))...)
		}
	}
	return all
}

// numbers reads process ids.
func numbers(text string) []int {
	var all []int
	for f := range strings.FieldsSeq(text) {
		if n, err := strconv.Atoi(f); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// used is the CPU time of processes and of the children they have waited for.
func used(pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // gone: its parent has its time
		}
		if d, err := parseStat(string(line)); err == nil {
			sum += d
		}
	}
	return sum
}
