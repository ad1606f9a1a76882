"""What operators do with arrays that are not dense: storage rules (:mod:`hybridnet.core.storage`), and operators that make such arrays."""

from hybridnet.ops.sparse import arithmetic, parts, pointwise, products, reduction, rows, storages

__all__ = ["arithmetic", "parts", "pointwise", "products", "reduction", "rows", "storages"]
