"""What pages share: state, cached resources, forms, charts and calm errors."""
