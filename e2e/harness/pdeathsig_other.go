// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package harness

import "syscall"

// dieWithParent does nothing: only Linux has such a setting.
func dieWithParent(*syscall.SysProcAttr) {}
