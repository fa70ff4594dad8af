// SPDX-License-Identifier: Apache-2.0

package defendersim

import "strconv"

// TokenFaultKinds lists the faults that only the token endpoint can have,
// besides those of any call: the refusals of Entra ID.
func TokenFaultKinds() []FaultKind {
	meanings := []struct {
		code    int
		meaning string
	}{
		{90033, "500, a passing failure"},
		{7000215, "401, the secret is wrong"},
		{7000222, "401, the secret has expired"},
		{700027, "401, the certificate is unknown"},
		{700016, "400, the application is unknown"},
		{7000112, "400, the application is disabled"},
		{53003, "400, conditional access blocks it"},
		{90002, "400, the tenant is unknown"},
		{500011, "400, the resource is unknown"},
	}
	var kinds []FaultKind
	for _, m := range meanings {
		kinds = append(kinds, FaultKind{"AADSTS" + strconv.Itoa(m.code), "", m.meaning, func(x *exchange, _ Fault) bool {
			x.denySignIn(*signInRefusal(m.code, "{app}", x.s.cfg.ClientID, "{tenant}", x.s.cfg.TenantID, "{scope}", x.dialect.audiences[0]))
			return true
		}})
	}
	return kinds
}
