// SPDX-License-Identifier: Apache-2.0

package harness

import "syscall"

// dieWithParent makes the kernel kill a child process when the test process ends
// without cleaning up, for example by a panic.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
