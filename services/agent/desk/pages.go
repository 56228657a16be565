package desk

import "net/http"

func (d *Desk) routePages(*http.ServeMux) {}
