"""Pictures and pages: SVG, and HTML that needs nothing but itself."""
