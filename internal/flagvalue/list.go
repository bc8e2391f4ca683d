// Package flagvalue holds what a flag of porttrace can be set to: port lists, address
// ranges, sizes and the like. Each type is a pflag.Value whose String is canonical, ""
// for the zero value, and accepted by Set again. A Set that fails changes nothing. All
// are for one goroutine.
package flagvalue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// elements splits a list at its commas.
func elements(list string) ([]string, error) {
	if list == "" {
		return nil, errors.New("empty: leave the flag out, or name at least one")
	}
	all := strings.Split(list, ",")
	if slices.Contains(all, "") {
		return nil, fmt.Errorf("%q: an element is empty: check the commas", list)
	}
	return all, nil
}

// parseList adds what list names to what is there, sorted, each once.
func parseList[T any](there []T, list string, parse func(string) (T, error), compare func(a, b T) int) ([]T, error) {
	words, err := elements(list)
	if err != nil {
		return there, err
	}
	all := slices.Clone(there)
	for _, word := range words {
		v, err := parse(word)
		if err != nil {
			return there, err
		}
		all = append(all, v)
	}
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(a, b T) bool { return compare(a, b) == 0 }), nil
}

// joinList is the inverse of parseList.
func joinList[T any](list []T, text func(T) string) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = text(v)
	}
	return strings.Join(words, ",")
}
