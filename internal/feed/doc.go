// SPDX-License-Identifier: Apache-2.0

// Package feed decides which page of a list to request next, when, and what a page means for the reading of its list: whether it goes on, has
// shown everything, or may have missed something. internal/poll sends the requests and handles the rows. Nothing here waits, reads a clock or
// sends a request. Each reader belongs to one goroutine.
//
// There are four readers. The first two read change feeds in calls: each call lists what has changed since the boundary of the calls before.
//
//   - Feed lists changes from Defender XDR. The list shows the newest change first.
//   - Windows lists changes from Microsoft Graph in windows of time, since lists there have no such order. Re-reads find what appeared late.
//   - Sweep polls many open incidents of Defender XDR by pages, again and again. As a first pass, it lists those of the last 180 days once.
//   - Pass lists the incidents and alerts of Graph once, in the order of creation.
//
// The caller of a reader repeats: Due, Request, Requested, Arrived; then NextRow (of a Pass: NextRows) until there are no more; then TakePage, and
// one of FinishPage, Failed and TooLarge. Windows has a Rejected to call before Failed, and a RereadDue, RereadRequest and RereadRequested for
// re-reads. The caller stores Boundary or Progress, and passes it to the reader of the next run.
//
// The files:
//
//   - results.go: what a page means for a call, a window, a sweep or a phase
//   - page.go: what any reader needs to know of a page; current_page.go: the page in flight or the current one
//   - width.go: how many rows to request, when some are too large to read
//   - feed.go: Feed; cursor.go: where its pages begin; omission.go: the rows that its calls leave out, because they are too large
//   - windows.go: Windows; windows_window.go: one window; _split.go: how to divide it; _end.go: how it ends or fails; _seen.go: which rows were
//     returned; _refusals.go: which options the service refuses; _reread.go: re-reads
//   - sweep.go: Sweep and its pace; sweep_pages.go: its pages; sweep_end.go: how it ends or fails
//   - pass.go: Pass and its phases; pass_step.go: the part of a list that $skip reaches; pass_pages.go: its pages, up to two of them in flight;
//     pass_end.go: what follows from a page or a failure
package feed
