"""Pages for listeners. A view checks its input, calls a service or a selector, and renders.

Fragments are the same partials that the pages include. A boosted link asks for a whole page, of which the browser keeps
`#main`, so only requests for which `wants_fragment` is true get less.
"""
