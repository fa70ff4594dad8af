// SPDX-License-Identifier: Apache-2.0

package feed

// CallResult is what a page, or the failure of one, means for the call of a change feed that it belongs to.
type CallResult uint8

// The results for a call.
const (
	Continues  CallResult = iota // the call goes on, or begins again
	Complete                     // it has shown all changes, and the boundary has advanced
	Incomplete                   // it may lack changes, and the next one lists from the same boundary
	GivenUp                      // it was incomplete too often: the boundary has advanced anyway
)

// windowResult is the same for one window of such a call.
type windowResult uint8

const (
	windowContinues  windowResult = iota
	windowComplete                // it was read to its end, and has shown as many rows as the API counts in it
	windowIncomplete              // it may have more rows than it has shown
	windowTooLong                 // it has more rows than skipping can reach
)

// Ending is how a sweep, or a phase of a pass, has ended.
type Ending uint8

// The endings.
const (
	Ongoing    Ending = iota // it has not ended
	AllRead                  // its lists were read to their ends, except those of a sweep that were not worth their requests
	NotWorth                 // too few of the incidents on its pages are polled
	PageFailed               // a page failed again and again
	Refused                  // the API does not support such a request
	Disordered               // the list does not keep an order that allows reading it page by page
	NotShown                 // it may have rows that no page can show (Pass only)
)
