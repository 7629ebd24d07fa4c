package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value reads what stands under a key.
func (p *parser) value(k Key, key, n *yaml.Node) (Value, error) {
	v := Value{Name: key.Value, Line: key.Line}
	if n.Kind == yaml.SequenceNode && k.Takes == List {
		v.List = true
		for _, item := range n.Content {
			if err := p.plain(item); err != nil {
				return v, err
			}
			if !scalar(item) {
				return v, p.fault(item.Line, "%s takes %s", v.Name, k.takes())
			}
			v.Texts = append(v.Texts, item.Value)
		}
		return v, nil
	}
	if !k.fits(n) {
		return v, p.fault(n.Line, "%s takes %s", v.Name, k.takes())
	}
	v.Texts = []string{n.Value}
	return v, nil
}

// fits says whether a node is of the kind that a key takes.
func (k Key) fits(n *yaml.Node) bool {
	switch {
	case n.Kind != yaml.ScalarNode:
		return false
	case k.Takes == Bool:
		return n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false")
	case k.Takes == Number:
		return n.Tag == "!!int"
	}
	return scalar(n)
}

// scalar says whether a node is a text, or is meant as one.
func scalar(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != "!!bool" && n.Tag != "!!null"
}

// takes says what a key takes.
func (k Key) takes() string {
	switch {
	case k.Word != "":
		return k.Word
	case k.Takes == Bool:
		return "true or false"
	case k.Takes == Number:
		return "a number"
	case k.Takes == List:
		return "a text or a list of texts, as in [a, b]"
	}
	return "a text (write it in quotes)"
}

// maxShown is how much of a key that is not known is told again, bytes.
const maxShown = 64

// show is a word of a file, fit for an error: on one line, and not long.
func show(word string) string {
	if len(word) > maxShown {
		word = word[:maxShown] + "..."
	}
	q := strconv.QuoteToGraphic(word)
	if plain := q[1 : len(q)-1]; plain == word && word != "" && !strings.Contains(word, " ") {
		return word
	}
	return q
}

// meant says which of the names was probably meant; "" if none is near.
func meant(word string, names []string) string {
	best, least := "", len(word)/3+2
	for _, name := range names {
		if d := distance(word, name, least); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return ": is " + best + " meant?"
}

// distance is how many letters have to be put, taken or changed to make one word of the
// other (Levenshtein), or limit if it is no less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
