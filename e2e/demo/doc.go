// SPDX-License-Identifier: Apache-2.0

// Package demo runs make demo and looks at its web interface in a browser.
package demo
