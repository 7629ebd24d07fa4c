package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// quantity is a flag of a number with a unit: powers of step for K, M, G and T, and of
// so many for one (8 for bits, where a byte is counted).
type quantity struct {
	to   *float64
	step float64
	bits float64
	what string
}

// String implements pflag.Value.
func (q quantity) String() string {
	if q.to == nil {
		return "0"
	}
	return short(*q.to*q.bits, q.step)
}

// Type implements pflag.Value.
func (q quantity) Type() string { return q.what }

// Set implements pflag.Value.
func (q quantity) Set(text string) error {
	digits := strings.TrimRight(text, "KMGT")
	unit := text[len(digits):]
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || len(unit) > 1 || v < 0 || v > 1e15 || math.IsNaN(v) {
		return fmt.Errorf("%q is no number with at most one of K, M, G and T behind it", text)
	}
	if unit != "" {
		v *= math.Pow(q.step, float64(1+strings.Index("KMGT", unit)))
	}
	*q.to = v / q.bits
	return nil
}

// short is a number with a unit.
func short(v, step float64) string {
	unit := ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if v < step {
			break
		}
		v /= step
		unit = u
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + unit
}

// bitsVar are rates of a wire, as they are sold: bits a second, thousands.
func bitsVar(v *float64) quantity { return quantity{v, 1000, 8, "BITS"} }

// rateVar are rates of disks and cores: bytes a second, thousands.
func rateVar(v *float64) quantity { return quantity{v, 1000, 1, "BYTES"} }

// sizeVar are sizes of memory: bytes, by 1024.
func sizeVar(v *float64) quantity { return quantity{v, 1024, 1, "SIZE"} }
