package defendersim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxTop is the largest and the usual size of a page of List.
const maxTop = 100

// query is what a List call asks for.
type query struct {
	filter    filter
	top, skip int
	given     url.Values // the options as they came, for links to repeat
}

// parseQuery reads the options of a List call, or says what is wrong with
// them. Those that do not begin with a dollar sign are none of OData's and are
// passed over.
func parseQuery(raw string) (q query, wrong string) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return q, "The query string cannot be read."
	}
	q = query{top: maxTop, given: given}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !strings.HasPrefix(name, "$") {
			continue
		}
		if len(given[name]) > 1 {
			return q, fmt.Sprintf("Query option '%s' was specified more than once.", name)
		}
		if wrong := q.set(name, given[name][0]); wrong != "" {
			return q, wrong
		}
	}
	return q, ""
}

// set takes over one option, or says what is wrong with it.
func (q *query) set(name, value string) (wrong string) {
	number, err := strconv.Atoi(value)
	switch name {
	case "$filter":
		q.filter, wrong = parseFilter(value)
	case "$top":
		q.top = number
		if err != nil || number < 1 {
			return "Query option 'Top' must be a number from 1 to 100."
		}
		if number > maxTop {
			return "Query option 'Top' is limited to 100."
		}
	case "$skip":
		q.skip = number
		if err != nil || number < 0 {
			return "Query option 'Skip' must be a number from 0 up."
		}
	default:
		return fmt.Sprintf("Query option '%s' is not supported.", name)
	}
	return wrong
}
