package desk

import "shomei/pkg/page"

var words = page.Catalogue{}
