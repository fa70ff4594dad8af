package content

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Names are those of members, each kept once under a number. They belong to one
// goroutine; what has a name from them does not.
type Names struct {
	list   []string // never changed, only added to; the first is that of what has none
	index  map[string]int
	after  []int // which name came last behind each: objects of a kind have theirs in the same order
	last   int
	orders map[string][]int // of members, by their names
	key    []byte           // into orders
}

// NewNames returns none.
func NewNames() *Names {
	return &Names{list: []string{""}, index: map[string]int{"": 0}, after: []int{0}, orders: map[string][]int{}}
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
		*n = *NewNames()
	}
}

// Number is that of a name.
func (n *Names) Number(name []byte) int {
	number := n.after[n.last]
	if n.list[number] != string(name) {
		number = n.find(name)
		n.after[n.last] = number
	}
	n.last = number
	return number
}

func (n *Names) find(name []byte) int {
	number, known := n.index[string(name)]
	if !known {
		number = len(n.list)
		n.list, n.after = append(n.list, string(name)), append(n.after, 0)
		n.index[n.list[number]] = number
	}
	return number
}

// Name is the name of that number.
func (n *Names) Name(number int) string { return n.list[number] }

// Order is that of members with these names, sorted by name: the place of what
// comes first, and so on. It must not be changed.
func (n *Names) Order(numbers []int) []int {
	n.key = n.key[:0]
	for _, number := range numbers {
		n.key = binary.AppendUvarint(n.key, uint64(number))
	}
	order, known := n.orders[string(n.key)]
	if known {
		return order
	}
	order = make([]int, len(numbers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.list[numbers[a]], n.list[numbers[b]]) })
	if len(n.orders) <= mostOrders { // an answer of very many kinds has them sorted each time
		n.orders[string(n.key)] = order
	}
	return order
}
