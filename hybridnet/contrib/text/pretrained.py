"""The files of trained vectors that MXNet knows by name, and where they lie. Nothing is downloaded: who lacks a file is told which."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hybridnet.errors import ArgumentError, HybridnetError, fail


class EmbeddingFileError(HybridnetError, FileNotFoundError):
    """The file of trained vectors is not in its folder."""


GLOVE = (
    "glove.42B.300d.txt",
    *(f"glove.6B.{length}d.txt" for length in (50, 100, 200, 300)),
    "glove.840B.300d.txt",
    *(f"glove.twitter.27B.{length}d.txt" for length in (25, 50, 100, 200)),
)

#: The Wikipedias, by their languages, of whose text fastText's authors made vectors, and those whose vectors lie in one space.
_LANGUAGES = """
aa ab ace ady af ak als am an ang ar arc arz as ast av ay az azb ba bar bat_smg bcl be bg bh bi bjn bm bn bo bpy br bs bug bxr ca
cbk_zam cdo ce ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da de diq dsb dv dz ee el eml en eo es et eu ext fa ff fi fiu_vro fj fo
fr frp frr fur fy ga gag gan gd gl glk gn gom got gu gv ha hak haw he hi hif ho hr hsb ht hu hy hz ia id ie ig ii ik ilo io is it iu ja
jam jbo jv ka kaa kab kbd kg ki kj kk kl km kn ko koi kr krc ks ksh ku kv kw ky la lad lb lbe lez lg li lij lmo ln lo lrc lt ltg lv mai
map_bms mdf mg mh mhr mi min mk ml mn mo mr mrj ms mt mus mwl my myv mzn na nah nap nds nds_nl ne new ng nl nn no nov nrm nso nv ny oc
olo om or os pa pag pam pap pcd pdc pfl pi pih pl pms pnb pnt ps pt qu rm rmy rn ro roa_rup roa_tara ru rue rw sa sah sc scn sco sd se
sg sh si simple sk sl sm sn so sq sr srn ss st stq su sv sw szl ta tcy te tet tg th ti tk tl tn to tpi tr ts tt tum tw ty tyv udm ug uk
ur uz ve vec vep vi vls vo wa war wo wuu xal xh xmf yi yo za zea zh zh_classical zh_min_nan zh_yue zu
"""
_ALIGNED = """
ar bg ca cs da de el en es et fi fr he hr hu id it mk nl no pl pt ro ru sk sl sv tr uk vi
"""

FASTTEXT = (
    "crawl-300d-2M.vec",
    *(f"wiki.{language}.vec" for language in _LANGUAGES.split()),
    *(f"wiki.multi.{language}.vec" for language in _ALIGNED.split()),
    "wiki-news-300d-1M-subword.vec",
    "wiki-news-300d-1M.vec",
)


def file_of(embedding: str, name: str, names: Sequence[str], root: str | os.PathLike[str]) -> str:
    """The path of a file of an embedding's. ArgumentError for a name that it has not, EmbeddingFileError if it is not in its folder."""
    if name not in names:
        fix = f"get_pretrained_file_names({embedding.lower()!r}), or CustomEmbedding(path)"
        fail(ArgumentError, embedding, expected=f"one of its {len(names)} files", got=repr(name), fix=fix)
    path = os.path.join(os.path.expanduser(os.fspath(root)), embedding.lower(), name)
    if not os.path.isfile(path):
        fail(
            EmbeddingFileError,
            embedding,
            expected=f"the unpacked file {path}",
            got="none there",
            fix="putting it there; CustomEmbedding(path) takes another",
        )
    return path
