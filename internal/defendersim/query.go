// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is a parsed query.
type query struct {
	filter    filter
	top, skip int
	after     mark // of $skiptoken
	again     bool // an empty page has led here
	expand    bool // alerts are requested
	count     bool // the number of rows that pass the filter is requested
	order     order
	backward  bool       // the last rows of that order come first
	selected  []string   // names of members that are wanted; nil: all are
	given     url.Values // the original options, for links to repeat
}

// maxAlertsTop is the largest page of alerts, and the default. A larger $top is
// reduced to it, as documented for alerts_v2.
const maxAlertsTop = 1000

// readQuery parses the options of a call, or returns what is wrong with them.
// It ignores those without a leading dollar sign, which are not part of OData.
func (x *exchange) readQuery() (wrong string) {
	known, read := x.dialect.options[x.endpoint]
	if !read {
		return ""
	}
	given, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return "The query string cannot be read."
	}
	x.query = query{top: x.dialect.maxTop, order: x.dialect.order, backward: x.dialect.backward, given: given}
	if x.endpoint == EndpointAlerts {
		x.query.top = maxAlertsTop
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !strings.HasPrefix(name, "$") {
			continue
		}
		if len(given[name]) > 1 {
			return fmt.Sprintf("Query option '%s' was specified more than once.", name)
		}
		if !slices.Contains(known, name) {
			return fmt.Sprintf("Query option '%s' is not supported.", name)
		}
		if wrong := x.setOption(name, given[name][0]); wrong != "" {
			return wrong
		}
	}
	if x.s.cfg.GraphOrderByAlone && given.Has("$orderby") && given.Has("$filter") {
		return "The query options '$orderby' and '$filter' cannot be combined."
	}
	return ""
}

// orderBy parses $orderby, or returns what is wrong with it. An order by the
// last change is accepted and ignored, as was seen.
func (x *exchange) orderBy(value string) (wrong string) {
	name, direction, directed := strings.Cut(value, " ")
	if directed && direction != "asc" && direction != "desc" {
		return fmt.Sprintf("Syntax error in orderby '%s'.", value)
	}
	switch name {
	case "createdDateTime":
		x.query.order, x.query.backward = byCreation, direction == "desc"
	case "lastUpdateDateTime":
	default:
		return fmt.Sprintf("The property '%s' cannot be used in the $orderby query option.", name)
	}
	return ""
}

// setOption parses one option, or returns what is wrong with it.
func (x *exchange) setOption(name, value string) (wrong string) {
	q, number, largest := &x.query, 0, x.dialect.maxTop
	var err error
	if name == "$top" || name == "$skip" {
		number, err = strconv.Atoi(value)
	}
	switch name {
	case "$filter":
		q.filter, wrong = parseFilter(value, x.dialect.fields)
	case "$top":
		q.top = number
		if x.endpoint == EndpointAlerts {
			largest = maxAlertsTop
		}
		if x.endpoint == EndpointAlerts || x.dialect.clampsTop {
			q.top = min(number, largest)
			number = q.top
		}
		if err != nil || number < 1 {
			return fmt.Sprintf("Query option 'Top' must be a number from 1 to %d.", largest)
		}
		if number > largest {
			return fmt.Sprintf("Query option 'Top' is limited to %d.", largest)
		}
	case "$skip":
		q.skip = number
		if err != nil || number < 0 {
			return "Query option 'Skip' must be a number from 0 up."
		}
		if most := x.dialect.maxSkip; x.lists() && most > 0 && number > most {
			return fmt.Sprintf("Query option 'Skip' is limited to %d.", most)
		}
	case "$skiptoken":
		if option, again := x.s.signer.readAgain(x.call(), value); again {
			q.again = true
			name, value, _ = strings.Cut(option, "=")
			return x.setOption(name, value)
		}
		if skip, leads := x.s.signer.readSkip(x.endpoint, value); leads {
			q.skip = skip
			return ""
		}
		var good bool
		if q.after, good = x.s.signer.readMark(x.id, value); !good {
			return "Query option 'SkipToken' is not valid."
		}
	case "$count":
		q.count = value == "true"
		if !q.count && value != "false" {
			return "Query option 'Count' must be true or false."
		}
	case "$orderby":
		return x.orderBy(value)
	case "$select":
		return x.selectMembers(value)
	case "$expand":
		q.expand = value == "alerts"
		if !q.expand {
			return fmt.Sprintf("Could not find a property named '%s' to expand.", value)
		}
	}
	return wrong
}
