"""Maps and figures of a study of sensitivity, one question a page."""
