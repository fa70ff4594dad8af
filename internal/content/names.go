package content

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Names are those of members, each kept once under a number. They belong to one
// goroutine; what has a name from them does not.
type Names struct {
	mark   func(name string) bool
	list   []string // never changed, only added to; the first is that of what has none
	marked []bool
	index  map[string]int
	after  []int // which name came last behind each: objects of a kind have theirs in the same order
	last   int
	orders map[string][]int // of members, by their names
	key    []byte           // into orders
}

// NewNames returns none. mark is asked once about each that comes.
func NewNames(mark func(name string) bool) *Names {
	return &Names{
		mark: mark, list: []string{""}, marked: []bool{false}, index: map[string]int{}, after: []int{0}, orders: map[string][]int{},
	}
}

// What is kept from one answer to the next: the API has some hundred names, and
// some dozen kinds of objects.
const (
	mostNames  = 4096
	mostOrders = 1024
)

// Trim begins anew where too much has come together. Numbers of before do not
// count any more.
func (n *Names) Trim() {
	if len(n.list) > mostNames || len(n.orders) > mostOrders {
		*n = *NewNames(n.mark)
	}
}

// Guess is the number of a name as it stands in a JSON text, without its quotes.
// It is not ok for one that was not expected, or that has escapes: then Number
// knows it.
func (n *Names) Guess(text []byte) (number int, ok bool) {
	number = n.after[n.last]
	if number == 0 || n.list[number] != string(text) {
		return 0, false
	}
	n.last = number
	return number, true
}

// Number is that of a name, without its escapes.
func (n *Names) Number(name []byte) int {
	number, known := n.index[string(name)]
	if !known {
		number = len(n.list)
		n.list = append(n.list, string(name))
		n.marked, n.after = append(n.marked, n.mark(n.list[number])), append(n.after, 0)
		n.index[n.list[number]] = number
	}
	if bytes.IndexByte(name, '\\') < 0 { // else in a JSON text it would be another name
		n.after[n.last] = number
	}
	n.last = number
	return number
}

// Marked is what mark said of the name.
func (n *Names) Marked(number int) bool { return n.marked[number] }

// Name is the name of that number.
func (n *Names) Name(number int) string { return n.list[number] }

// Order is that of members with these names, sorted by name: the place of what
// comes first, and so on. It must not be changed. It is not unique if there is a
// name twice.
func (n *Names) Order(numbers []int) (order []int, unique bool) {
	n.key = n.key[:0]
	for _, number := range numbers {
		n.key = binary.AppendUvarint(n.key, uint64(number))
	}
	if order, known := n.orders[string(n.key)]; known {
		return order, true
	}
	order = make([]int, len(numbers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.list[numbers[a]], n.list[numbers[b]]) })
	for i := 1; i < len(order); i++ {
		if numbers[order[i-1]] == numbers[order[i]] {
			return order, false
		}
	}
	if len(n.orders) <= mostOrders { // an answer of very many kinds has them sorted each time
		n.orders[string(n.key)] = order
	}
	return order, true
}
