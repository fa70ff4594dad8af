package backends

import "syscall"

// dieWithParent has a child killed when the test ends without cleaning up, by a
// panic say.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
